"""Commands: sent to a thing from its page, seen in their states, and cancelled."""

from conftest import open_page, picture, until
from playwright.sync_api import expect


def test_a_command_is_sent_waits_for_its_thing_and_is_cancelled(page, group):
    open_page(page, f"{group.hookline.console}#/thing/{group.thing}", "Boiler")
    form = page.get_by_role("form", name="Send a command")
    form.get_by_label("Topic below commands").fill("led/1")
    form.get_by_label("Command", exact=True).fill("on <b>")
    form.get_by_label("When it goes out").select_option("when_seen")
    form.get_by_role("button", name="Send").click()
    row = page.get_by_role("table", name="Commands").get_by_role("row").filter(has_text="led/1")
    expect(row).to_contain_text("Pending")
    expect(row).to_contain_text("on <b>")
    expect(row).to_contain_text("Waits for the thing")
    picture(page, "commands")
    row.get_by_role("button", name="Cancel the command").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel it").click()
    expect(row).to_contain_text("Cancelled")
    expect(row.get_by_role("button")).to_have_count(0)
    path = f"/things/{group.thing}/commands"
    until(lambda: [each["state"] for each in group.api.get(path)["commands"]] == ["cancelled"], "the command's state")
