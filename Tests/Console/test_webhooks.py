"""The table of webhooks, a webhook's page and its log."""

import re

from conftest import Refused, open_page, picture, until
from playwright.sync_api import expect


def names(page):
    return page.get_by_role("table", name="Webhooks").locator("tbody .name")


def menu(page, webhook, entry):
    page.get_by_role("button", name=f"Actions for {webhook}").click()
    page.get_by_role("menuitem", name=entry).click()


def test_an_empty_table_says_what_to_do_next(page, group):
    open_page(page, group.url("webhooks"), "Webhooks")
    expect(page.get_by_role("heading", name="No webhooks yet")).to_be_visible()
    page.get_by_role("button", name="Copy the command").click()
    line = page.evaluate("navigator.clipboard.readText()")
    assert line.startswith("curl -X POST ") and f"/groups/{group.id}/webhooks" in line
    page.get_by_role("link", name="Add the first webhook").click()
    expect(page.get_by_role("heading", level=1, name="New webhook")).to_be_visible()


def test_webhooks_are_searched_sorted_and_paged(page, group):
    drafts = [
        {
            "name": f"Hook {n:03}",
            "url": group.hookline.receiver,
            "trigger": "MANUAL" if n == 7 else "MESSAGE",
            "status": "DISABLED" if n == 9 else "ENABLED",
        }
        for n in range(60)
    ]
    group.api.post(f"/groups/{group.id}/webhooks", drafts)
    open_page(page, group.url("webhooks"), "Webhooks")
    expect(names(page)).to_have_count(50)
    expect(page.get_by_text("1–50 of 60")).to_be_visible()
    page.get_by_role("button", name="Next").click()
    expect(names(page)).to_have_count(10)
    expect(names(page).first).to_have_text("Hook 050")
    page.get_by_label("Webhooks per page").select_option("100")
    expect(names(page)).to_have_count(60)
    page.get_by_role("columnheader", name="Name").get_by_role("button").click()
    expect(names(page).first).to_have_text("Hook 059")
    expect(page.get_by_role("columnheader", name="Name")).to_have_attribute("aria-sort", "descending")
    for column, first in [("Status", "Hook 009"), ("Trigger", "Hook 007")]:
        header = page.get_by_role("columnheader", name=column, exact=True).get_by_role("button")
        header.click()
        expect(page.get_by_role("columnheader", name=column, exact=True)).to_have_attribute("aria-sort", "descending")
        header.click()
        expect(names(page).first).to_have_text(first)
    for column in ["Last triggered", "Attempts"]:
        page.get_by_role("columnheader", name=column, exact=True).get_by_role("button").click()
        expect(page.get_by_role("columnheader", name=column, exact=True)).to_have_attribute("aria-sort", "descending")
    page.get_by_label("Search webhooks by name").fill("hook 05")
    expect(names(page)).to_have_count(10)
    # What was looked for is in the address.
    page.reload()
    expect(names(page)).to_have_count(10)
    page.get_by_label("Search webhooks by name").fill("nothing like it")
    expect(page.get_by_role("heading", name="None is like that")).to_be_visible()


def test_a_row_says_how_its_webhook_does(page, group):
    webhook = group.webhook()
    for n in range(3):
        group.publish(f'{{"n":{n}}}')
    until(lambda: group.attempts(webhook) == 3, "the attempts")
    open_page(page, group.url("webhooks"), "Webhooks")
    row = page.get_by_role("row").filter(has_text="Pipeline")
    expect(row).to_contain_text("Enabled")
    expect(row).to_contain_text("Message")
    expect(row.locator("time")).to_be_visible()
    until(lambda: group.api.get(f"/groups/{group.id}/stats")["total"]["succeeded"] == 3, "the counts")
    page.reload()
    expect(row.get_by_role("img", name="Last hour: 3 ok, 0 failed")).to_be_visible()
    picture(page, "webhooks")


def test_the_menu_of_a_row_tests_disables_enables_edits_and_deletes(page, group):
    webhook = group.webhook()
    open_page(page, group.url("webhooks"), "Webhooks")
    menu(page, "Pipeline", "Test")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("It works")).to_be_visible()
    expect(dialog.get_by_text("Check the address")).to_be_visible()
    dialog.get_by_role("button", name="Test again").click()
    until(lambda: group.attempts(webhook) == 2, "the second test")
    dialog.get_by_role("button", name="Close").first.click()
    expect(page.get_by_role("button", name="Actions for Pipeline")).to_be_focused()

    menu(page, "Pipeline", "Disable")
    expect(page.get_by_role("row").filter(has_text="Pipeline")).to_contain_text("Disabled")
    menu(page, "Pipeline", "Enable")
    expect(page.get_by_role("row").filter(has_text="Pipeline")).to_contain_text("Enabled")
    menu(page, "Pipeline", "Edit")
    expect(page.get_by_role("heading", level=1, name="Edit Pipeline")).to_be_visible()
    page.go_back()

    menu(page, "Pipeline", "Delete")
    expect(dialog.get_by_role("heading", name="Delete “Pipeline”?")).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    expect(names(page)).to_have_count(1)
    menu(page, "Pipeline", "Delete")
    dialog.get_by_role("button", name="Delete “Pipeline”").click()
    expect(page.get_by_role("heading", name="No webhooks yet")).to_be_visible()


def test_several_are_enabled_disabled_and_deleted_together(page, group):
    for name in ["one", "two", "three"]:
        group.webhook(name)
    open_page(page, group.url("webhooks"), "Webhooks")
    for name in ["one", "two"]:
        page.get_by_role("checkbox", name=f"Select {name}").check()
    bulk = page.get_by_role("status").filter(has_text="selected")
    expect(bulk).to_contain_text("2 selected")
    bulk.get_by_role("button", name="Disable").click()
    expect(page.get_by_role("row").filter(has_text="Disabled")).to_have_count(2)
    page.get_by_role("checkbox", name="Select all on this page").check()
    expect(bulk).to_contain_text("3 selected")
    bulk.get_by_role("button", name="Enable").click()
    expect(page.get_by_role("row").filter(has_text="Enabled")).to_have_count(3)
    page.get_by_role("checkbox", name="Select one").check()
    page.get_by_role("checkbox", name="Select three").check()
    bulk.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("“one”")
    expect(dialog).to_contain_text("“three”")
    dialog.get_by_role("button", name="Delete 2 webhooks").click()
    expect(names(page)).to_have_text(["two"])


def test_a_click_opens_a_webhook_with_what_it_is_and_how_it_does(page, group):
    webhook = group.webhook(trigger={"type": "MESSAGE", "subtopics": ["room/+"]}, description="For the data team")
    group.publish('{"t":21.70}', "room/1")
    until(lambda: group.attempts(webhook) == 1, "the attempt")
    open_page(page, group.url("webhooks"), "Webhooks")
    page.get_by_role("link", name="Pipeline").click()
    about = page.locator("section", has=page.get_by_role("heading", name="About"))
    for text in ["Message on room/+", webhook["id"], "version 1", "For the data team", group.hookline.receiver]:
        expect(about).to_contain_text(text)
    about.get_by_role("button", name="Copy id").click()
    assert page.evaluate("navigator.clipboard.readText()") == webhook["id"]
    about.get_by_role("button", name="Show").click()
    expect(about).to_contain_text("whsec_")
    health = page.locator("section", has=page.get_by_role("heading", name="Health"))
    expect(health).to_contain_text("status 200")
    for period in ["Day", "Week", "Hour"]:
        page.get_by_role("group", name="Time shown by the charts").get_by_role("button", name=period).click()
        expect(page.get_by_role("img", name=re.compile("^Attempts"))).to_be_visible()
        expect(page.get_by_role("img", name=re.compile("^Latency"))).to_be_visible()

    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_role("button", name="Enable")).to_be_visible()
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Rotate the secret").click()
    page.get_by_role("button", name="Make a new secret").click()
    expect(page.get_by_text("There is a new secret")).to_be_visible()
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Delete").click()
    page.get_by_role("button", name="Delete “Pipeline”").click()
    expect(page.get_by_role("heading", name="No webhooks yet")).to_be_visible()


def test_the_log_is_filtered_sorted_opened_and_retried(page, group):
    webhook = group.webhook("Down", url="http://127.0.0.1:9/", retry_schedule=[1], max_attempts=1, failure_limit=0)
    for n in range(3):
        group.publish(f'{{"n":{n}}}')

    def failed():
        return group.api.get(f"/webhooks/{webhook['id']}/deliveries?status=failed")["total"]

    until(lambda: failed() == 3, "three failures")
    open_page(page, f"{group.hookline.console}#/webhook/{webhook['id']}", "Down")
    log = page.get_by_role("table", name="Log")
    expect(log.get_by_role("button", name="Retry")).to_have_count(3)
    for column in ["Status", "Date", "Request to", "Answer", "Latency", "Attempt", "Trigger id"]:
        log.get_by_role("columnheader", name=column, exact=True).get_by_role("button").click()
        expect(log.get_by_role("columnheader", name=column, exact=True)).to_have_attribute(
            "aria-sort", re.compile("ending")
        )
    periods = page.get_by_role("group", name="Time shown by the log")
    for period in ["Hour", "Week", "Custom", "Day"]:
        periods.get_by_role("button", name=period).click()
        expect(log.get_by_role("button", name="Retry")).to_have_count(3)
    periods.get_by_role("button", name="Custom").click()
    page.get_by_label("To", exact=True).fill("2020-01-01T00:00")
    page.get_by_label("From", exact=True).fill("2019-01-01T00:00")
    expect(page.get_by_role("heading", name="Nothing here")).to_be_visible()
    periods.get_by_role("button", name="Day").click()

    log.get_by_role("button", name="Details of").first.click()
    detail = log.locator("tr.detail:visible")
    expect(detail.get_by_role("heading", name="Attempt 1")).to_be_visible()
    expect(detail.get_by_label("Request", exact=True)).to_contain_text("POST http://127.0.0.1:9/")
    expect(detail.get_by_label("Request body")).to_contain_text('"n"')
    picture(page, "webhook-log")
    copied = log.get_by_role("button", name="Copy the trigger id").first
    copied.click()
    assert page.evaluate("navigator.clipboard.readText()").startswith("msg_")

    # The receiver is back.
    group.api.put(f"/webhooks/{webhook['id']}", {"name": "Down", "url": group.hookline.receiver})
    log.get_by_role("button", name="Retry").first.click()
    expect(page.get_by_text("1 sent again")).to_be_visible()
    until(lambda: failed() == 2, "one retried")
    page.get_by_role("button", name="Retry all failed").click()
    page.get_by_role("dialog").get_by_role("button", name="Retry all").click()
    expect(page.get_by_text("2 sent again")).to_be_visible()
    until(lambda: failed() == 0, "all retried")
    until(lambda: group.api.get(f"/webhooks/{webhook['id']}/log?status=ok")["total"] == 3, "three in the log")
    page.get_by_label("Status", exact=True).select_option("ok")
    page.get_by_role("button", name="Refresh the log").click()
    expect(log.locator(".badge", has_text="OK")).to_have_count(3)


def test_a_webhook_that_was_disabled_because_of_errors_says_why(page, group):
    webhook = group.webhook("Down", url="http://127.0.0.1:9/", failure_limit=1, failure_window=0)
    group.publish("1")
    until(
        lambda: group.api.get(f"/webhooks/{webhook['id']}")["status"] == "DISABLED_DUE_TO_ERRORS", "it to be disabled"
    )
    open_page(page, f"{group.hookline.console}#/webhook/{webhook['id']}", "Down")
    expect(page.get_by_text("Disabled because of its receiver")).to_contain_text("failure")
    page.get_by_role("button", name="Enable").click()
    expect(page.get_by_text("Disabled because of its receiver")).to_have_count(0)


def test_a_manual_webhook_is_fired_from_its_page(page, group):
    webhook = group.webhook(trigger="MANUAL")
    open_page(page, f"{group.hookline.console}#/webhook/{webhook['id']}", "Pipeline")
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Fire now").click()
    page.get_by_label("Payload").fill('{"n":1}')
    page.get_by_role("dialog").get_by_role("button", name="Fire").click()
    expect(page.get_by_text("Fired at")).to_be_visible()
    until(lambda: group.attempts(webhook) == 1, "the attempt")


def test_ten_thousand_webhooks_are_a_page_at_a_time(page, group, watch):
    for start in range(0, 10_000, 1_000):
        group.api.post(
            f"/groups/{group.id}/webhooks",
            [{"name": f"Hook {n:05}", "url": "https://example.com/"} for n in range(start, start + 1_000)],
        )
    open_page(page, group.url("webhooks"), "Webhooks")
    expect(page.get_by_text("1–50 of 10,000")).to_be_visible()
    page.get_by_label("Webhooks per page").select_option("200")
    expect(names(page)).to_have_count(200)
    # However many there are, the page holds so much and no more.
    assert page.evaluate("document.querySelectorAll('*').length") < 12_000
    page.evaluate(
        "window.longest = 0; new PerformanceObserver((list) => { for (const entry of list.getEntries()) "
        "window.longest = Math.max(window.longest, entry.duration); }).observe({type: 'longtask'})"
    )
    page.get_by_role("columnheader", name="Name").get_by_role("button").click()
    expect(names(page).first).to_have_text("Hook 09999")
    page.get_by_role("button", name="Next").click()
    expect(names(page).first).to_have_text("Hook 09799")
    page.get_by_label("Search webhooks by name").fill("Hook 0123")
    expect(names(page)).to_have_count(10)
    page.get_by_label("Search webhooks by name").fill("")
    expect(names(page)).to_have_count(200)
    print(f"10,000 webhooks, 200 on a page: the longest task took {page.evaluate('window.longest'):.0f} ms")
    try:
        group.hookline.root.call("DELETE", f"/groups/{group.id}")
    except Refused as refused:
        raise AssertionError(refused) from None


def test_webhooks_are_narrowed_down_by_status_health_trigger_and_host_and_open_on_a_click(page, group):
    drafts = [
        {"name": "Mine", "url": group.hookline.receiver},
        {"name": "By hand", "url": "https://hooks.slack.com/services/x", "trigger": "MANUAL"},
        {"name": "Off", "url": "https://discord.com/api", "status": "DISABLED"},
    ]
    group.api.post(f"/groups/{group.id}/webhooks", drafts)
    open_page(page, group.url("webhooks"), "Webhooks")
    expect(names(page)).to_have_count(3)
    for label, choice, found in [
        ("Any status", "DISABLED", "Off"),
        ("Any health", "off", "Off"),
        ("Any trigger", "MANUAL", "By hand"),
    ]:
        page.get_by_label(label).select_option(choice)
        expect(names(page)).to_have_text([found])
        page.reload()
        expect(names(page)).to_have_text([found])
        expect(page.get_by_label(label)).to_have_value(choice)
        page.get_by_label(label).select_option("")
        expect(names(page)).to_have_count(3)
    page.get_by_label("Search webhooks by host").fill("SLACK.com")
    expect(names(page)).to_have_text(["By hand"])
    page.get_by_label("Any health").select_option("failing")
    expect(page.get_by_role("heading", name="None is like that")).to_be_visible()
    page.get_by_label("Any health").select_option("")
    # A slash leads to the search, but not where one writes.
    page.get_by_label("Search webhooks by host").press("/")
    expect(page.get_by_label("Search webhooks by host")).to_have_value("SLACK.com/")
    page.get_by_label("Search webhooks by host").fill("slack")
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("/")
    expect(page.get_by_label("Search webhooks by name")).to_be_focused()
    picture(page, "webhooks-narrowed")
    page.get_by_role("row", name="By hand").locator("td").nth(4).click()
    expect(page.get_by_role("heading", level=1, name="By hand")).to_be_visible()
