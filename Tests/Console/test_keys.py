"""API keys: made, shown once, used, revoked."""

import re

import pytest
from conftest import API, Refused, open_page, picture, sign_in, until
from playwright.sync_api import expect


def section(page, heading):
    return page.locator("section", has=page.get_by_role("heading", name=heading, exact=True))


def make(page, title, name, role):
    """Fills in the form, and answers the key that is shown."""
    dialog = page.get_by_role("dialog")
    section(page, title).get_by_role("button", name="New key").click()
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_label("Role").select_option(role)
    dialog.get_by_role("button", name="Make the key").click()
    expect(dialog.get_by_role("heading", name=f"The key “{name}”")).to_be_visible()
    dialog.get_by_role("button", name="Copy the key").click()
    key = page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch("hk_[0-9a-f]{64}", key)
    expect(dialog).to_contain_text(f'/me -H "Authorization: Bearer {key}"')
    dialog.get_by_role("button", name="Done").click()
    return key


def revoke(page, name):
    page.get_by_role("button", name=f"Revoke {name}", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name=f"Revoke “{name}”").click()
    expect(page.get_by_text(f"“{name}” is revoked")).to_be_visible()


def refused(api, path):
    try:
        api.get(path)
    except Refused as refusal:
        return refusal.status
    return 200


def test_a_groups_key_is_made_shown_once_used_and_revoked(page, group):
    title = f"Keys of {group.name}"
    open_page(page, group.url("keys"), "API keys")
    expect(section(page, title).get_by_role("heading", name="No keys yet")).to_be_visible()
    key = make(page, title, "Deployment", "editor")
    row = page.get_by_role("table", name=title).get_by_role("row").filter(has_text="Deployment")
    expect(row).to_contain_text("editor")
    expect(row).to_contain_text("Active")
    expect(row).to_contain_text("never")
    expect(row).to_contain_text(f"{group.user} (ends with their membership)")
    # Shown once: nothing of it is left on the page or in the browser, nor read again.
    page.reload()
    expect(row).to_be_visible()
    assert key not in page.content()
    assert key not in page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    caller = API(group.hookline.base, key)
    assert caller.get(f"/groups/{group.id}")["role"] == "editor"
    until(lambda: "last_used_at" in group.api.get(f"/groups/{group.id}/keys")["keys"][0], "the use to be noted")
    page.reload()
    expect(row).not_to_contain_text("never")
    picture(page, "keys")
    revoke(page, "Deployment")
    expect(row).to_contain_text("Revoked")
    expect(page.get_by_role("button", name="Revoke Deployment")).to_have_count(0)
    assert refused(caller, f"/groups/{group.id}") == 401


def test_ones_own_key_does_what_one_may_and_names_are_told_at_the_field(page, group, watch):
    watch.expects(409)
    open_page(page, group.url("keys"), "API keys")
    key = make(page, "Your own keys", "Notebook", "viewer")
    me = API(group.hookline.base, key).get("/me")
    assert (me["user_id"], me["key"]["name"], me["root"]) == (group.user, "Notebook", False)
    dialog = page.get_by_role("dialog")
    section(page, "Your own keys").get_by_role("button", name="New key").click()
    expect(dialog.get_by_label("Ends with my membership")).to_have_count(0)
    dialog.get_by_label("Name").fill("Notebook")
    dialog.get_by_role("button", name="Make the key").click()
    expect(dialog.get_by_label("Name")).to_have_accessible_description(re.compile("name is taken already"))
    dialog.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog", name="Leave without saving?").get_by_role("button", name="Leave").click()
    revoke(page, "Notebook")
    assert refused(API(group.hookline.base, key), "/me") == 401


@pytest.mark.parametrize("role", ["viewer", "key"])
def test_who_may_not_change_keys_reads_them_and_is_offered_nothing(new_page, hookline, group, role):
    made = group.api.post(f"/groups/{group.id}/keys", [{"name": "Deployment", "role": "owner"}])[0]
    group.api.put(f"/groups/{group.id}/members", [{"member_id": "viewer", "role": "viewer"}])
    page = new_page()
    sign_in(page, hookline, hookline.token("viewer") if role == "viewer" else made["key"])
    open_page(page, group.url("keys"), "API keys")
    title = f"Keys of {group.name}"
    expect(page.get_by_role("table", name=title)).to_contain_text("Deployment")
    expect(page.get_by_role("button", name="Revoke Deployment")).to_have_count(0)
    expect(section(page, title).get_by_role("button", name="New key")).to_have_count(0)
    own = 1 if role == "viewer" else 0
    expect(page.get_by_role("button", name="New key in Your own keys")).to_have_count(own)
