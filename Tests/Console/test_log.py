"""The log of a whole group, and one delivery of it."""

import re

from conftest import open_page, picture, until
from playwright.sync_api import expect


def test_the_groups_log_names_what_it_is_about_and_finds_it(page, group):
    webhook = group.webhook("Pipeline", body='{"from":"{thing_name}","was":{payload}}')
    other = group.webhook("Other")
    for n in range(3):
        group.publish(f'{{"needle":{n}}}')
    until(lambda: group.attempts(webhook) == 3 and group.attempts(other) == 3, "the attempts")
    until(lambda: group.api.get(f"/groups/{group.id}/log")["total"] == 6, "the log")
    open_page(page, group.url("log"), "Log")
    table = page.get_by_role("table", name="Log")
    expect(table.locator("tbody tr:not(.detail)")).to_have_count(6)
    row = table.locator("tbody tr:not(.detail)").filter(has_text="Pipeline").first
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", row.locator("time").inner_text())
    expect(row.get_by_role("link", name="Boiler")).to_have_attribute("href", f"#/thing/{group.thing}")
    picture(page, "log")

    row.get_by_role("button", name=re.compile("Details of")).click()
    expect(page.get_by_label("Request body").first).to_contain_text('"from": "Boiler"')
    page.get_by_role("button", name="Copy as curl").first.click()
    line = page.evaluate("navigator.clipboard.readText()")
    assert line.startswith("curl -X POST '") and "<webhook-signature>" in line and "Boiler" in line

    search = page.get_by_label("Search")
    search.fill('"needle":1')
    expect(table.locator("tbody tr:not(.detail)")).to_have_count(2)
    search.fill("nothing like it")
    expect(page.get_by_role("heading", name="Nothing here")).to_be_visible()
    trigger = group.api.get(f"/webhooks/{other['id']}/log")["log"][0]["trigger_id"]
    search.fill(trigger)
    expect(page.get_by_text("Delivered to Other.")).to_be_visible()
    search.fill("")
    page.get_by_label("Webhook").select_option("Other")
    expect(table.locator("tbody tr:not(.detail)")).to_have_count(3)
    # What was looked for is in the address.
    page.reload()
    expect(table.locator("tbody tr:not(.detail)")).to_have_count(3)


def test_two_attempts_stand_side_by_side(page, group):
    webhook = group.webhook("Away", url="http://127.0.0.1:9/", retry_schedule=[1], max_attempts=2)
    group.publish("1")
    until(lambda: group.attempts(webhook) == 2, "two attempts")
    until(lambda: group.api.get(f"/webhooks/{webhook['id']}/log")["total"] == 2, "the log")
    open_page(page, group.url("log"), "Log")
    page.get_by_role("button", name=re.compile("Details of")).first.click()
    page.get_by_text("Compare two attempts").first.click()
    both = page.get_by_role("table", name="Two attempts").first
    expect(both.get_by_role("columnheader", name="Attempt 1")).to_be_visible()
    expect(both.get_by_role("columnheader", name="Attempt 2")).to_be_visible()
    expect(both.locator("strong").filter(has_text="Made at")).to_be_visible()
