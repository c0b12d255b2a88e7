"""Sending kept messages once more, from a webhook's page."""

from conftest import open_page, picture, until
from playwright.sync_api import expect


def open_dialog(page):
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Send messages again").click()
    return page.get_by_role("dialog")


def test_a_range_is_counted_sent_again_and_followed(page, group):
    webhook = group.webhook()
    for n in range(3):
        group.publish(f'{{"n":{n}}}')
    until(lambda: group.attempts(webhook) == 3, "the attempts")
    open_page(page, f"{group.hookline.console}#/webhook/{webhook['id']}", "Pipeline")
    expect(page.get_by_role("heading", name="Sent again")).to_be_hidden()
    dialog = open_dialog(page)
    dialog.get_by_role("button", name="Count").click()
    expect(dialog.get_by_role("status").filter(has_text="3 messages")).to_be_visible()
    picture(page, "resend")
    dialog.get_by_label("Subtopics").fill("nowhere/#")
    dialog.get_by_role("button", name="Count").click()
    expect(dialog.get_by_role("status").filter(has_text="0 messages")).to_be_visible()
    dialog.get_by_label("Subtopics").fill("")
    dialog.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_role("heading", name="Sent again")).to_be_visible()
    expect(page.get_by_text("3 chosen, 3 succeeded, 0 failed, 0 under way")).to_be_visible()
    expect(page.get_by_text("Done", exact=True)).to_be_visible()
    assert group.attempts(webhook) == 6

    # A webhook that never saw them.
    late = group.webhook("Late")
    open_page(page, f"{group.hookline.console}#/webhook/{late['id']}", "Late")
    dialog = open_dialog(page)
    dialog.get_by_label("Which messages").select_option("before")
    expect(dialog.get_by_label("From")).to_be_hidden()
    dialog.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text("3 chosen, 3 succeeded, 0 failed, 0 under way")).to_be_visible()


def test_a_slow_one_shows_how_far_it_is_and_is_cancelled(page, group, watch):
    watch.expects(400)
    webhook = group.webhook()
    for n in range(3):
        group.publish(f'{{"n":{n}}}')
    until(lambda: group.attempts(webhook) == 3, "the attempts")
    open_page(page, f"{group.hookline.console}#/webhook/{webhook['id']}", "Pipeline")
    dialog = open_dialog(page)
    dialog.get_by_label("Messages per second").fill("100000")
    dialog.get_by_role("button", name="Send", exact=True).click()
    expect(dialog.get_by_text("messages per second", exact=False).last).to_be_visible()
    dialog.get_by_label("Messages per second").fill("0.02")
    dialog.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_text("Under way", exact=True)).to_be_visible()
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_text("Cancelled", exact=True)).to_be_visible()
    expect(page.get_by_role("progressbar")).to_be_hidden()
    assert group.attempts(webhook) < 6


def test_one_that_succeeded_is_sent_again_from_the_log(page, group):
    webhook = group.webhook()
    group.publish('{"n":1}')
    until(lambda: group.attempts(webhook) == 1, "the attempt")
    until(lambda: group.api.get(f"/webhooks/{webhook['id']}/log?status=ok")["total"] == 1, "the log")
    open_page(page, f"{group.hookline.console}#/webhook/{webhook['id']}", "Pipeline")
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_text("1 chosen, 1 succeeded, 0 failed, 0 under way")).to_be_visible()
    assert group.attempts(webhook) == 2
