"""Why nothing arrives: what the console says about it."""

import os
import signal

from conftest import expect_failures_first, open_page, picture, until
from playwright.sync_api import expect

HOT = [{"path": "t", "operator": "gt", "value": 30}]


def test_a_thing_explains_where_its_messages_go(page, group):
    group.webhook("All")
    group.webhook("Hot", conditions=HOT)
    group.publish('{"t":21.70}', "room/1")
    until(lambda: group.api.get(f"/things/{group.thing}/messages")["total"] == 1, "the message")
    open_page(page, f"{group.hookline.console}#/thing/{group.thing}", "Boiler")
    page.get_by_role("button", name="Explain").click()
    expect(page.get_by_text("Would be skipped")).to_be_visible()
    expect(page.get_by_text("Would be sent")).to_be_visible()
    expect(page.get_by_text("Condition not met: t gt 30.")).to_be_visible()
    expect(page.locator(".steps code", has_text="21.70")).to_be_visible()
    picture(page, "why-light")
    page.get_by_placeholder("empty: the newest kept message").fill('{"t":31}')
    page.get_by_role("button", name="Explain").click()
    expect(page.get_by_text("Would be sent")).to_have_count(2)


def test_profiles_that_do_not_send_say_so(page, group):
    open_page(page, group.url("things"), "Things")
    expect(page.get_by_text("webhook is off there")).to_be_hidden()
    page.get_by_role("switch", name="webhook of Sensors").click()
    expect(
        page.get_by_text("No webhook is called for the messages of things with the profile “Sensors”")
    ).to_be_visible()
    open_page(page, f"{group.hookline.console}#/thing/{group.thing}", "Boiler")
    expect(page.get_by_text("webhook is off in its profile “Sensors”")).to_be_visible()


def test_no_line_is_offered_that_no_webhook_would_hear(page, group):
    webhook = group.webhook()
    config = {"content_type": "application/json", "webhook": False, "write": True}
    group.api.put(f"/profiles/{group.profile}", {"name": "Sensors", "config": config})
    console = group.hookline.console
    for url, title in [(group.url("overview"), "Overview"), (f"{console}#/webhook/{webhook['id']}", "Pipeline")]:
        open_page(page, url, title)
        expect(page.get_by_text("webhook is off in its profile “Sensors”")).to_be_visible()
        expect(page.get_by_label("Command", exact=True)).to_have_count(0)
        picture(page, f"silent-{title.lower()}")
    page.get_by_role("link", name="To the profile", exact=True).click()
    expect(page.get_by_role("switch", name="webhook of Sensors")).to_be_focused()
    # A thing whose profile sends is the one that is named.
    config = {"webhook": True, "write": False}
    loud = group.api.post(f"/groups/{group.id}/profiles", [{"name": "Loud", "config": config}])[0]["id"]
    lamp = group.api.post(f"/groups/{group.id}/things", [{"name": "Lamp", "profile_id": loud}])[0]["id"]
    open_page(page, f"{console}#/webhook/{webhook['id']}", "Pipeline")
    expect(page.get_by_label("Command", exact=True)).to_contain_text(f"things/{lamp}/messages")


def test_a_webhooks_page_leads_to_why(page, group):
    webhook = group.webhook()
    open_page(page, f"{group.hookline.console}#/webhook/{webhook['id']}", "Pipeline")
    page.get_by_role("link", name="Explained on the page of “Boiler”").click()
    expect(page.get_by_role("heading", level=1, name="Boiler")).to_be_visible()
    expect(page.get_by_placeholder("empty: the newest kept message")).to_be_focused()


def test_a_test_says_that_the_message_would_be_skipped(page, group):
    webhook = group.webhook("Hot", conditions=HOT)
    group.publish('{"t":21.70}')
    until(lambda: group.api.get(f"/webhooks/{webhook['id']}")["skipped"] == 1, "the message")
    open_page(page, f"{group.hookline.console}#/webhook/{webhook['id']}", "Hot")
    page.get_by_role("button", name="Test", exact=True).click()
    expect(page.get_by_text("This message would be skipped: condition not met: t gt 30.")).to_be_visible()
    expect(page.get_by_text("It works")).to_be_hidden()


def test_a_webhook_that_fails_looks_like_one(page, group):
    bad = group.failing_webhook()
    open_page(page, group.url("webhooks"), "Webhooks")
    expect(page.get_by_role("table").get_by_text("Failing", exact=True)).to_be_visible()
    expect(page.get_by_role("table").get_by_text("refused")).to_be_visible()
    picture(page, "webhooks-failing-light")
    open_page(page, f"{group.hookline.console}#/webhook/{bad['id']}", "Bad")
    expect(page.get_by_text("Its receiver fails:")).to_be_visible()
    expect(page.get_by_text("One request at a time tries whether it is back")).to_be_visible()
    expect_failures_first(page, "webhook-failing-light")


def test_a_form_keeps_what_was_typed_until_leaving_is_meant(page, group):
    open_page(page, group.url("webhooks/new"), "New webhook")
    page.get_by_label("Name", exact=True).fill("Mine")
    page.get_by_role("link", name="Things", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Leave without saving?")
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Mine")
    page.get_by_role("link", name="Things", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Leave").click()
    expect(page.get_by_role("heading", level=1, name="Things")).to_be_visible()


def test_all_that_is_missing_is_marked_until_it_is_there(page, group):
    open_page(page, group.url("webhooks/new"), "New webhook")
    page.get_by_role("button", name="Create webhook").click()
    expect(page.get_by_text("name is required", exact=True)).to_be_visible()
    expect(page.get_by_text("url is required", exact=True)).to_be_visible()
    page.get_by_label("Name", exact=True).fill("Mine")
    expect(page.get_by_text("name is required", exact=True)).to_be_hidden()
    expect(page.get_by_text("url is required", exact=True)).to_be_visible()


def test_dates_are_written_in_the_language_of_the_words(new_page, hookline, group):
    from conftest import sign_in

    group.publish('{"t":1}')
    page = new_page(locale="de-DE")
    sign_in(page, hookline, group.token)
    open_page(page, f"{hookline.console}#/thing/{group.thing}", "Boiler")
    cell = page.get_by_role("table", name="Kept messages").locator("tbody td").first
    expect(cell).not_to_contain_text(".")


def test_the_overview_says_that_hookline_does_not_answer(page, group, hookline):
    open_page(page, group.url("overview"), "Overview")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    os.kill(hookline.process.pid, signal.SIGSTOP)
    try:
        expect(page.get_by_text("Hookline does not answer.")).to_be_visible()
        expect(page.get_by_text("Live", exact=True)).to_be_hidden()
    finally:
        os.kill(hookline.process.pid, signal.SIGCONT)
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
