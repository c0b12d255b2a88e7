"""Who is told what: channels, a test notice, one's own address."""

import re

from conftest import open_page, picture, sign_in
from playwright.sync_api import expect


def section(page, heading):
    return page.locator("section", has=page.get_by_role("heading", name=heading, exact=True))


def test_a_channel_is_made_tested_edited_and_removed(page, group, watch):
    watch.expects(400)
    title = f"Notices of {group.name}"
    open_page(page, group.url("notices"), "Notices")
    expect(section(page, title).get_by_role("heading", name="Nobody is told")).to_be_visible()
    page.get_by_role("button", name=f"New channel in {title}").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Type").select_option("slack")
    expect(dialog.get_by_label("Address")).to_be_hidden()
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_label("Name")).to_have_accessible_description(re.compile("is required"))
    dialog.get_by_label("Name").fill("Operations")
    dialog.get_by_label("Url").fill(group.hookline.receiver + "/s3cret")
    dialog.get_by_label("It falls behind").uncheck()
    dialog.get_by_label("Gather for").select_option("0")
    picture(page, "notice-channel")
    dialog.get_by_role("button", name="Save").click()
    row = page.get_by_role("table", name=title).get_by_role("row").filter(has_text="Operations")
    expect(row).to_contain_text("Slack")
    # The url of a chat is all that it takes to write there.
    assert "s3cret" not in page.content()
    page.get_by_role("button", name="Send a test notice to Operations").click()
    expect(page.get_by_text("“Operations” has got it")).to_be_visible()
    picture(page, "notices")
    page.get_by_role("button", name="Actions for Operations").click()
    page.get_by_role("menuitem", name="Edit").click()
    expect(dialog.get_by_label("It falls behind")).not_to_be_checked()
    dialog.get_by_label("Name").fill("Night shift")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Send a test notice to Night shift")).to_be_visible()
    page.get_by_role("button", name="Send a test notice to Night shift").click()
    expect(page.get_by_text("“Night shift” has got it")).to_be_visible()
    page.get_by_role("button", name="Actions for Night shift").click()
    page.get_by_role("menuitem", name="Remove").click()
    dialog.get_by_role("button", name="Remove “Night shift”").click()
    expect(section(page, title).get_by_role("heading", name="Nobody is told")).to_be_visible()


def test_what_does_not_arrive_says_why_and_what_signs_is_shown_once(page, group):
    title = "Your own notices"
    open_page(page, group.url("notices"), "Notices")
    dialog = page.get_by_role("dialog")
    for kind, name in (("email", "Mail"), ("post", "Program")):
        page.get_by_role("button", name=f"New channel in {title}").click()
        dialog.get_by_label("Name").fill(name)
        dialog.get_by_label("Type").select_option(kind)
        if kind == "post":
            dialog.get_by_label("Url").fill(group.hookline.receiver)
        dialog.get_by_label("Gather for").select_option("0")
        dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_contain_text("whsec_")
    dialog.get_by_role("button", name="Done").click()
    page.get_by_role("button", name="Send a test notice to Mail").click()
    row = page.get_by_role("table", name=title).get_by_role("row").filter(has_text="Mail")
    expect(row).to_contain_text("you have given no address")


def test_ones_address_is_kept_and_what_is_none_is_told_at_the_field(page, group, watch):
    watch.expects(400)
    open_page(page, group.url("notices"), "Notices")
    box = section(page, "Your address").get_by_label("E-mail")
    box.fill("no address")
    page.get_by_role("button", name="Save the address").click()
    expect(box).to_have_accessible_description(re.compile("must be an address"))
    box.fill("anna@example.com")
    page.get_by_role("button", name="Save the address").click()
    expect(page.get_by_text("Saved")).to_be_visible()
    assert group.api.get("/me")["email"] == "anna@example.com"
    page.reload()
    expect(box).to_have_value("anna@example.com")


def test_viewers_see_the_groups_channels_and_change_none(new_page, hookline, group):
    channel = {"name": "Mail", "type": "email", "to": "operations@example.com"}
    group.api.put(f"/groups/{group.id}/notices", {"channels": [channel]})
    group.api.put(f"/groups/{group.id}/members", [{"member_id": "viewer", "role": "viewer"}])
    page = new_page()
    sign_in(page, hookline, hookline.token("viewer"))
    open_page(page, group.url("notices"), "Notices")
    table = page.get_by_role("table", name=f"Notices of {group.name}")
    expect(table).to_contain_text("o…@example.com")
    expect(table.get_by_role("button")).to_have_count(0)
    expect(page.get_by_role("button", name=f"New channel in Notices of {group.name}")).to_have_count(0)
