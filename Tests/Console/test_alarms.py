"""Alarms: what a form asks for, and what people do with what it raises."""

import re

from conftest import open_page, picture, until
from playwright.sync_api import expect


def test_a_webhook_with_an_edge_is_made_and_its_alarm_acknowledged_and_cleared(page, group):
    open_page(page, group.url("webhooks/new"), "New webhook")
    page.get_by_label("Name", exact=True).fill("Too hot")
    page.get_by_label("Url", exact=True).fill(group.hookline.receiver)
    page.get_by_role("button", name="Add a rule").click()
    page.get_by_label("Path 1").fill("t")
    page.get_by_label("Operator 1").select_option("gt")
    page.get_by_label("Compared with 1").fill("30")
    until_box = page.get_by_label("Until it is beyond 1")
    expect(until_box).to_be_hidden()
    page.get_by_label("It is called").select_option("becomes")
    until_box.fill("28")
    expect(page.get_by_label("Once they are true for")).to_be_visible()
    picture(page, "webhook-edge")
    page.get_by_role("button", name=re.compile("^(Create|Save)")).first.click()
    expect(page.get_by_role("heading", level=1, name="Too hot")).to_be_visible()
    expect(page.get_by_text("t gt 30 until 28; edge becomes")).to_be_visible()

    open_page(page, group.url("alarms"), "Alarms")
    expect(page.get_by_role("heading", name="No alarms")).to_be_visible()
    group.publish('{"t":31}')
    until(lambda: group.api.get(f"/groups/{group.id}/alarms")["total"] == 1, "the alarm")
    page.get_by_role("button", name="Refresh").click()
    row = page.get_by_role("table", name="Alarms").get_by_role("row").filter(has_text="Too hot")
    expect(row).to_contain_text("Active")
    expect(row).to_contain_text("31")
    page.get_by_role("button", name="Acknowledge Boiler at Too hot").click()
    expect(row).to_contain_text("Acknowledged")
    expect(row).to_contain_text(re.compile("by \\S+"))
    picture(page, "alarms")
    row.locator("td").nth(4).click()
    expect(page.get_by_role("heading", level=1, name="Boiler")).to_be_visible()
    page.go_back()
    expect(row).to_contain_text("Acknowledged")
    page.get_by_label("Acknowledged").select_option("false")
    expect(page.get_by_role("heading", name="No alarms")).to_be_visible()
    page.get_by_label("Acknowledged").select_option("true")
    page.get_by_role("button", name="Clear Boiler at Too hot").click()
    page.get_by_role("dialog").get_by_role("button", name="Clear").click()
    expect(page.get_by_role("heading", name="No alarms")).to_be_visible()
