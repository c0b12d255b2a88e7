"""The overview, things and profiles, groups and members, sources."""

import json
import re
import time
import urllib.request

from conftest import PATIENCE, open_page, picture, sign_in, until
from playwright.sync_api import expect


def section(page, heading):
    return page.locator("section", has=page.get_by_role("heading", name=heading, exact=True))


# The overview


def test_the_overview_follows_what_happens(page, group):
    group.webhook("Good")
    group.webhook("Bad", url="http://127.0.0.1:9/", failure_limit=0)
    open_page(page, group.url("overview"), "Overview")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="Nothing came in during the last hour")).to_be_visible()
    assert group.thing in page.get_by_label("Command", exact=True).text_content()
    # Within one minute, which is what is counted by.
    if time.time() % 60 > 55:
        time.sleep(6)
    for n in range(4):
        group.publish(f'{{"n":{n}}}')
    # Without being asked for.
    expect(
        page.get_by_role("img", name=re.compile(r"messages in: now \d+, at most 4; delivered: now \d+, at most 4"))
    ).to_be_visible()
    expect(page.get_by_role("heading", name="Nothing came in during the last hour")).to_have_count(0)
    failing = section(page, "Failing webhooks")
    expect(failing.get_by_role("link")).to_contain_text("Bad")
    expect(page.locator(".figure", has_text="Failing webhooks")).to_contain_text("of 2")
    expect(page.locator(".figure", has_text="Waiting")).to_contain_text("4")
    expect(page.get_by_role("img", name=re.compile("^Latency.*p50: now"))).to_be_visible()
    picture(page, "overview")
    # It went from the first step to the last: what came in was delivered.
    expect(page.get_by_role("heading", name="It was delivered")).to_be_visible()
    expect(page.get_by_role("link", name="To the log")).to_be_visible()
    for name in ["Day", "Week"]:
        page.get_by_role("button", name=name, exact=True).click()
        expect(
            page.get_by_role("img", name=re.compile(r"^Throughput per hour.*delivered: now \d+, at most 4"))
        ).to_be_visible()
    picture(page, "overview-week")
    page.get_by_role("button", name="Hour", exact=True).click()
    expect(page.get_by_role("img", name=re.compile("^Throughput per minute"))).to_be_visible()
    failing.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1, name="Bad")).to_be_visible()


def test_an_empty_group_is_led_to_its_first_delivery(page, group):
    other = group.api.post("/groups", [{"name": "Empty"}])[0]["id"]
    open_page(page, f"{group.hookline.console}#/{other}/overview", "Overview")
    page.get_by_role("link", name="Add a thing").click()
    page.get_by_role("button", name="Make a profile").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Meters")
    dialog.get_by_label("write").check()
    dialog.get_by_role("button", name="Create profile").click()
    page.get_by_role("button", name="Add the first thing").click()
    dialog.get_by_label("Name").fill("Meter 1")
    dialog.get_by_role("button", name="Create thing").click()
    expect(dialog.get_by_role("heading", name="The key of “Meter 1”")).to_be_visible()
    dialog.get_by_role("button", name="Copy the key").click()
    assert re.fullmatch("[0-9a-f]{64}", page.evaluate("navigator.clipboard.readText()"))
    dialog.get_by_role("button", name="Done").click()
    expect(page.get_by_role("link", name="Meter 1")).to_be_visible()
    picture(page, "guide-thing")

    back = page.get_by_role("link", name="To the overview")
    back.click()
    page.get_by_role("link", name="Add a webhook").click()
    page.get_by_label("Name", exact=True).fill("First")
    page.get_by_label("Url", exact=True).fill(group.hookline.receiver)
    page.get_by_role("button", name="Create webhook").click()
    expect(page.get_by_role("heading", level=1, name="First")).to_be_visible()
    expect(page.get_by_role("button", name="Publish it as “Meter 1”")).to_be_visible()
    picture(page, "guide-webhook")

    back.click()
    expect(page.get_by_role("heading", name="Nothing came in during the last hour")).to_be_visible()
    page.get_by_role("button", name="Publish it as “Meter 1”").click()
    expect(page.get_by_role("heading", name="It was delivered")).to_be_visible()
    picture(page, "guide-done")
    page.get_by_role("link", name="To the log").click()
    row = page.get_by_role("table", name="Log").locator("tbody tr:not(.detail)")
    expect(row).to_contain_text("OK")
    expect(row.get_by_role("link", name="Meter 1")).to_be_visible()


# Things and profiles


def test_rows_open_on_a_click_and_what_is_in_them_keeps_its_use(page, group):
    group.api.call("PATCH", f"/things/{group.thing}", {"external_id": "cellarboiler"})
    group.api.post(f"/groups/{group.id}/sources", [{"name": "Shop", "thing_id": group.thing}])
    open_page(page, group.url("sources"), "Sources")
    page.get_by_role("row").filter(has_text="Shop").locator("td").nth(4).click()
    expect(page.get_by_role("heading", level=1, name="Shop")).to_be_visible()
    open_page(page, group.url("things"), "Things")
    row = page.get_by_role("table", name="Things", exact=True).get_by_role("row").filter(has_text="Boiler")
    row.get_by_role("button", name="Copy the id of Boiler").click()
    assert page.evaluate("navigator.clipboard.readText()") == group.thing
    # Text that is selected stays selected.
    box = row.get_by_text("cellarboiler").bounding_box()
    page.mouse.move(box["x"] + 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 8, box["y"] + box["height"] / 2)
    page.mouse.up()
    assert page.evaluate("String(getSelection())") != ""
    expect(page.get_by_role("heading", level=1, name="Things")).to_be_visible()
    row.locator("td").nth(4).click()
    expect(page.get_by_role("heading", level=1, name="Boiler")).to_be_visible()


def test_the_flags_of_profiles_are_switched_and_take_effect(page, group):
    open_page(page, group.url("things"), "Things")
    row = page.get_by_role("table", name="Things").get_by_role("row").filter(has_text="Boiler")
    expect(row.get_by_text("yes")).to_have_count(2)
    for flag in ["webhook", "write"]:
        switch = page.get_by_role("switch", name=f"{flag} of Sensors")
        expect(switch).to_have_attribute("aria-checked", "true")
        switch.click()
        expect(switch).to_have_attribute("aria-checked", "false")
    expect(row.get_by_text("no", exact=True)).to_have_count(2)
    config = group.api.get(f"/profiles/{group.profile}")["config"]
    assert (config["webhook"], config["write"], config["content_type"]) == (False, False, "application/json")
    picture(page, "things")


def test_things_are_found_by_what_their_owners_call_and_label_them_and_keep_their_metadata_as_written(page, group):
    group.api.text(
        "PATCH",
        f"/things/{group.thing}",
        '{"external_id": "EUI 1", "labels": ["floor=2"], "metadata": {"n": 1.50, "z": 1, "a": 2}}',
    )
    open_page(page, group.url("things"), "Things")
    table = page.get_by_role("table", name="Things")
    expect(table.get_by_role("row").filter(has_text="Boiler").get_by_text("floor=2")).to_be_visible()
    page.get_by_label("Things that have these labels").fill("floor=3")
    expect(page.get_by_text("No thing has what was asked for.")).to_be_visible()
    page.get_by_label("Things that have these labels").fill("floor=2")
    page.get_by_label("Things of this external id").fill("EUI 1")
    table.get_by_role("link", name="Boiler").click()
    page.get_by_role("button", name="Actions").click()
    page.get_by_role("menuitem", name="Edit").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Metadata")).to_have_value('{\n  "n": 1.50,\n  "z": 1,\n  "a": 2\n}')
    dialog.get_by_label("Labels").fill("floor=2, outdoor")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text("outdoor")).to_be_visible()
    thing = group.api.text("GET", f"/things/{group.thing}")
    assert '"labels":["floor=2","outdoor"]' in thing
    assert '"metadata":{"n":1.50,"z":1,"a":2}' in thing


def test_a_table_of_things_is_imported_as_a_whole_and_each_line_that_cannot_be_is_told(page, group, watch):
    watch.expects(400)
    open_page(page, group.url("things"), "Things")
    page.get_by_role("button", name="Import").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Table").fill("external_id,labels\nimp-1,a\nimp-2,a=1;a=2\n")
    dialog.get_by_role("button", name="Import").click()
    faults = dialog.get_by_role("table", name="Rows that cannot be taken")
    expect(faults.get_by_role("row").filter(has_text="labels must not say a more than once")).to_contain_text("3")
    dialog.get_by_label("Table").fill("external_id,labels,metadata.site\nimp-1,a,Berlin\nimp-2,b,\n")
    dialog.get_by_role("button", name="Import").click()
    expect(page.get_by_role("heading", name="2 things made")).to_be_visible()
    expect(dialog.get_by_role("link", name="Download the keys")).to_be_visible()
    dialog.get_by_role("button", name="Done").click()
    expect(page.get_by_role("table", name="Things").get_by_role("link", name="imp-2")).to_be_visible()
    picture(page, "things-imported")


def test_what_becomes_of_unknown_things_is_said_by_admins(page, group):
    open_page(page, group.url("things"), "Things")
    page.get_by_role("button", name="Unknown things").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Things that are not known").select_option(label="are made with the profile Sensors")
    dialog.get_by_label("At most in an hour").fill("7")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    now = group.api.get(f"/groups/{group.id}")
    assert (now["new_thing_profile_id"], now["new_things_per_hour"], now["name"]) == (group.profile, 7, group.name)


def test_profiles_are_made_changed_and_deleted(page, group, watch):
    watch.expects(400, 409)
    open_page(page, group.url("things"), "Things")
    dialog = page.get_by_role("dialog")
    page.get_by_role("button", name="New profile").click()
    dialog.get_by_role("button", name="Create profile").click()
    expect(dialog.get_by_label("Name")).to_have_accessible_description("name is required")
    dialog.get_by_label("Name").fill("Cameras")
    dialog.get_by_label("Content type").fill("image/jpeg")
    dialog.get_by_role("button", name="Create profile").click()
    page.get_by_role("button", name="Actions for Cameras").click()
    page.get_by_role("menuitem", name="Edit").click()
    dialog.get_by_label("Name").fill("Video")
    dialog.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Actions for Video").click()
    page.get_by_role("menuitem", name="Delete").click()
    dialog.get_by_role("button", name="Delete “Video”").click()
    expect(page.get_by_role("button", name="Actions for Video")).to_have_count(0)
    # One that is in use stays, and why is said.
    page.get_by_role("button", name="Actions for Sensors").click()
    page.get_by_role("menuitem", name="Delete").click()
    dialog.get_by_role("button", name="Delete “Sensors”").click()
    expect(page.get_by_text("it is still in use by")).to_be_visible()


def test_a_things_messages_are_followed_live_and_those_that_are_kept_are_read(page, group):
    open_page(page, group.url("things"), "Things")
    page.get_by_role("link", name="Boiler").click()
    expect(page.get_by_text("Listening")).to_be_visible()
    group.publish('{"t":21.70}', "kitchen")
    live = page.get_by_role("list", name="Live messages")
    expect(live.get_by_role("listitem").first).to_contain_text('{"t":21.70}')
    expect(live.get_by_role("listitem").first).to_contain_text("kitchen")
    pause = page.get_by_role("button", name="Pause")
    pause.click()
    group.publish('{"t":22}')
    until(lambda: group.api.get(f"/things/{group.thing}/messages")["total"] == 2, "the second message")
    expect(live.get_by_role("listitem")).to_have_count(1)
    page.get_by_role("button", name="Go on").click()
    expect(live.get_by_role("listitem")).to_have_count(2)
    section(page, "Kept messages").get_by_role("button", name="Refresh").click()
    expect(page.get_by_role("table", name="Kept messages").get_by_text('{"t":21.70}')).to_be_visible()
    picture(page, "thing")


def test_a_message_is_published_from_a_things_page(page, group, watch):
    watch.expects(400)
    group.webhook("All")
    open_page(page, f"{group.hookline.console}#/thing/{group.thing}", "Boiler")
    expect(page.get_by_text("Listening")).to_be_visible()
    form = section(page, "Publish as this thing")
    form.get_by_label("Subtopic").fill("room/1 ü")
    form.get_by_label("Payload").fill('{"t": 21.70}')
    form.get_by_role("button", name="Publish").click()
    expect(page.get_by_text(f"Published on things/{group.thing}/messages/room/1 ü")).to_be_visible()
    live = page.get_by_role("list", name="Live messages").get_by_role("listitem")
    expect(live).to_have_count(1)
    # As it was typed.
    expect(live).to_contain_text('{"t": 21.70}')
    expect(live).to_contain_text("room/1 ü")
    form.get_by_label("Subtopic").fill("room/#")
    form.get_by_role("button", name="Publish").click()
    expect(form.get_by_text("without +, #")).to_be_visible()


def test_a_thing_is_renamed_gets_a_new_key_and_is_deleted(page, group):
    open_page(page, f"{group.hookline.console}#/thing/{group.thing}", "Boiler")
    dialog = page.get_by_role("dialog")
    page.get_by_role("button", name="Actions").click()
    page.get_by_role("menuitem", name="Edit").click()
    dialog.get_by_label("Name").fill("Kettle")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1, name="Kettle")).to_be_visible()
    page.get_by_role("button", name="Actions").click()
    page.get_by_role("menuitem", name="Make a new key").click()
    dialog.get_by_role("button", name="Make a new key").click()
    expect(page.get_by_role("heading", name="The key of “Kettle”")).to_be_visible()
    dialog.get_by_role("button", name="Done").click()
    page.get_by_role("button", name="Actions").click()
    page.get_by_role("menuitem", name="Delete").click()
    dialog.get_by_role("button", name="Delete “Kettle”").click()
    expect(page.get_by_role("heading", name="No things yet")).to_be_visible()


# Groups and members


def test_members_are_added_change_roles_and_leave(page, group, watch):
    watch.expects(409)
    open_page(page, group.url("members"), "Groups and members")
    dialog = page.get_by_role("dialog")
    for user, role in [("anna", "editor"), ("ben", "viewer")]:
        page.get_by_role("button", name="Add a member").click()
        dialog.get_by_label("User").fill(user)
        dialog.get_by_label("Role").select_option(role)
        dialog.get_by_role("button", name="Add").click()
        expect(page.get_by_label(f"Role of {user}")).to_have_value(role)
    # By role: owners first.
    expect(page.get_by_role("table", name=f"Members of {group.name}").locator("tbody .name")).to_have_text(
        [f"{group.user} (you)", "anna", "ben"]
    )
    page.get_by_label("Role of ben").select_option("admin")
    expect(page.get_by_text("ben is admin now")).to_be_visible()
    picture(page, "members")
    page.get_by_role("button", name="Remove anna").click()
    dialog.get_by_role("button", name="Remove “anna”").click()
    expect(page.get_by_label("Role of anna")).to_have_count(0)
    # A group keeps an owner.
    page.get_by_role("button", name=f"Leave {group.name}").click()
    dialog.get_by_role("button", name="Leave").click()
    expect(page.get_by_text("a group must keep an owner")).to_be_visible()


def test_topic_rules_are_added_within_what_is_granted_and_removed(page, group, watch):
    watch.expects(403)
    topics = [f"{group.id}/#"]
    group.hookline.root.put(f"/groups/{group.id}", {"name": group.name, "allowed_topics": topics})
    open_page(page, group.url("members"), "Groups and members")
    expect(page.get_by_role("heading", name="No topic rules")).to_be_visible()
    expect(page.get_by_text(topics[0])).to_be_visible()
    expect(page.get_by_role("button", name="Grant topics")).to_have_count(0)
    dialog = page.get_by_role("dialog")
    page.get_by_role("button", name="Add a rule").click()
    dialog.get_by_label("Filter").fill("zigbee2mqtt/{thing}")
    dialog.get_by_role("button", name="Add").click()
    expect(dialog.get_by_text("do not cover")).to_be_visible()
    dialog.get_by_label("Filter").fill(f"{group.id}/{{thing}}")
    dialog.get_by_label("Subtopic").fill("state")
    dialog.get_by_label("Disconnected if it says").fill("offline, gone")
    dialog.get_by_label("Says it at").fill("state")
    dialog.get_by_role("button", name="Add").click()
    table = page.get_by_role("table", name=f"Topic rules of {group.name}")
    expect(table.locator("tbody tr")).to_contain_text([f"{group.id}/{{thing}}"])
    expect(table).to_contain_text("state")
    expect(table).to_contain_text("and its presence")
    rules = group.api.get(f"/groups/{group.id}/topic-rules")["rules"]
    assert rules[0]["presence"] == {"path": "state", "offline": ["offline", "gone"]}
    picture(page, "topicrules")
    # What nothing would read says so, and what a rule looks into is read as it says.
    watch.expects(400)
    page.get_by_role("button", name="Add a rule").click()
    dialog.get_by_label("Filter").fill(f"{group.id}/all/{{thing}}")
    dialog.get_by_label("Written as").select_option("cbor")
    dialog.get_by_role("button", name="Add").click()
    expect(dialog.get_by_text("nothing would read it")).to_be_visible()
    dialog.get_by_label("Filter").fill(f"{group.id}/all")
    dialog.get_by_label("Of one payload").select_option("keys")
    dialog.get_by_role("button", name="Add").click()
    expect(table.locator("tbody tr")).to_have_count(2)
    expect(table).to_contain_text("of cbor")
    rule = group.api.get(f"/groups/{group.id}/topic-rules")["rules"][1]
    assert (rule["decode"], rule["split"]) == ("cbor", "keys")
    page.get_by_role("button", name=f"Remove {group.id}/all").click()
    dialog.get_by_role("button", name="Remove the rule").click()
    expect(table.locator("tbody tr")).to_have_count(1)
    page.get_by_role("button", name=f"Remove {group.id}/{{thing}}").click()
    dialog.get_by_role("button", name="Remove the rule").click()
    expect(page.get_by_role("heading", name="No topic rules")).to_be_visible()


def test_the_audit_says_who_changed_what_and_is_for_admins(page, group):
    webhook = group.webhook("Pipeline")
    group.api.put(f"/webhooks/{webhook['id']}", {"name": "Pipe", "url": "https://example.com/MARKER?k=MARKER"})
    open_page(page, group.url("overview"), "Overview")
    page.get_by_role("link", name="Audit", exact=True).click()
    expect(page.get_by_role("heading", level=1, name="Audit")).to_be_visible()
    table = page.get_by_role("table", name="Audit")
    row = table.locator("tbody tr").first
    expect(row).to_contain_text(group.user)
    expect(row).to_contain_text("webhook Pipe updated")
    expect(row).to_contain_text("name: Pipeline → Pipe")
    expect(row).to_contain_text("https://example.com/***")
    expect(table).not_to_contain_text("MARKER")
    page.get_by_label("What").select_option("thing")
    expect(table.locator("tbody tr")).to_have_count(1)
    page.get_by_label("Who").fill("nobody")
    expect(page.get_by_role("heading", name="Nothing here")).to_be_visible()
    picture(page, "audit")
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("/")
    expect(page.get_by_label("Who")).to_be_focused()


def test_groups_are_made_chosen_renamed_and_deleted(page, group):
    open_page(page, group.url("members"), "Groups and members")
    dialog = page.get_by_role("dialog")
    page.get_by_role("button", name="New group").click()
    dialog.get_by_label("Name").fill("Greenhouse")
    dialog.get_by_role("button", name="Create group").click()
    expect(page.get_by_role("heading", name="Members of Greenhouse")).to_be_visible()
    # By the picker, back to the first.
    page.get_by_role("button", name="Group Greenhouse, change").click()
    page.get_by_label("Search groups", exact=True).fill(group.name)
    page.get_by_role("dialog", name="Groups").get_by_role("button", name=group.name).click()
    expect(page.get_by_role("heading", name=f"Members of {group.name}")).to_be_visible()
    page.get_by_role("button", name="Actions for Greenhouse").click()
    page.get_by_role("menuitem", name="Rename").click()
    dialog.get_by_label("Name").fill("Orchard")
    dialog.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Actions for Orchard").click()
    page.get_by_role("menuitem", name="Delete").click()
    dialog.get_by_role("button", name="Delete “Orchard”").click()
    expect(page.get_by_role("button", name="Actions for Orchard")).to_have_count(0)
    assert group.api.get("/groups")["total"] == 1


# Sources


def post_event(url, event):
    request = urllib.request.Request(
        url, method="POST", data=json.dumps(event).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        return json.loads(response.read())


def test_a_source_is_made_listened_to_checked_by_its_sample_and_deleted(page, group):
    open_page(page, group.url("sources"), "Sources")
    expect(page.get_by_role("heading", name="No sources yet")).to_be_visible()
    page.get_by_role("link", name="Add the first source").click()
    page.get_by_label("Name", exact=True).fill("Shop")
    page.get_by_label("Subtopic", exact=True).fill("shop/{payload.kind}")
    page.get_by_role("button", name="Create source").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="The key of “Shop”")).to_be_visible()
    dialog.get_by_role("button", name="Copy the url").click()
    url = page.evaluate("navigator.clipboard.readText()")
    assert "/in/" in url and "key=hlk_" in url
    dialog.get_by_role("button", name="Done").click()
    expect(page.get_by_role("heading", level=1, name="Shop")).to_be_visible()

    page.get_by_role("button", name="Listen for a sample").click()
    expect(page.get_by_text("Waiting for the next event")).to_be_visible()
    sample = page.get_by_label("Sample", exact=True)
    # Until it really listens.
    until(lambda: post_event(url, {"kind": "order", "price": 21.5}) and sample.is_visible(), "the event to be heard")
    expect(sample).to_contain_text('"price": 21.5')
    expect(page.get_by_label("Schema", exact=True)).to_contain_text('"required"')
    picture(page, "source")
    page.get_by_role("button", name="Keep it, and check events by this schema").click()
    expect(page.get_by_label("Kept sample")).to_contain_text("order")
    assert post_event(url, {"kind": "refund", "price": 1})["status"] == "accepted"
    log = section(page, "Log")
    until(
        lambda: (
            log.get_by_role("button", name="Refresh").click() is None and log.get_by_text("accepted").first.is_visible()
        ),
        "the log",
    )
    until(lambda: group.api.get(f"/things/{group.thing}/messages?subtopic=shop/refund")["total"] == 1, "the message")

    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Make a new key").click()
    dialog.get_by_role("button", name="Make a new key").click()
    dialog.get_by_role("button", name="Done").click()
    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_label("Name", exact=True).fill("Market")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1, name="Market")).to_be_visible()
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Delete").click()
    dialog.get_by_role("button", name="Delete “Market”").click()
    expect(page.get_by_role("heading", name="No sources yet")).to_be_visible()


def test_the_url_of_a_source_is_the_one_that_the_browser_came_by(new_page, hookline, group):
    source = group.api.post(f"/groups/{group.id}/sources", [{"name": "Shop", "thing_id": group.thing}])[0]
    # As a proxy that serves TLS would add it.
    page = new_page(extra_http_headers={"X-Forwarded-Proto": "https", "X-Forwarded-Host": "hooks.example"})
    sign_in(page, hookline, group.token)
    open_page(page, f"{hookline.console}#/source/{source['id']}", "Shop")
    expect(page.get_by_text(f"https://hooks.example/in/{source['id']}")).to_be_visible()


def test_a_signed_source_needs_its_secret_and_says_so_at_the_field(page, group, watch):
    watch.expects(400)
    open_page(page, group.url("sources/new"), "New source")
    # Stripe shows a secret of its own.
    page.get_by_label("Shown by").select_option("stripe")
    page.get_by_role("button", name="Create source").click()
    expect(page.get_by_label("Secret", exact=True)).to_be_focused()
    expect(page.get_by_label("Secret", exact=True)).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Shown by").select_option("custom")
    page.get_by_label("Header", exact=True).fill("X-Signature")
    page.get_by_label("Secret", exact=True).fill("a secret of ours")
    page.get_by_label("Schema", exact=True).fill('{"type":"object","required":["kind"]}')
    page.get_by_role("button", name="Add a rule").click()
    page.get_by_label("Path 1").fill("kind")
    page.get_by_label("Operator 1").select_option("in")
    page.get_by_label("Compared with 1").fill('["order"]')
    page.get_by_role("button", name="Create source").click()
    expect(page.get_by_role("heading", level=1, name="Signed")).to_be_visible()
    source = group.api.get(f"/groups/{group.id}/sources")["sources"][0]
    assert source["auth"]["header"] == "X-Signature" and source["schema"]["required"] == ["kind"]
    assert source["conditions"]["rules"] == [{"path": "kind", "operator": "in", "value": ["order"]}]


def test_a_source_of_a_known_system_takes_the_thing_from_its_events(page, group):
    open_page(page, group.url("sources/new"), "New source")
    page.get_by_label("Preset").select_option("blues")
    expect(page.get_by_text("Notes of devices, by a route")).to_be_visible()
    expect(page.get_by_label("Thing named at")).to_have_value("device")
    page.get_by_label("Shown by").select_option("standard")
    page.get_by_label("Answers a challenge").select_option("text")
    picture(page, "source-form")
    page.get_by_role("button", name="Create source").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("whsec_")
    dialog.get_by_role("button", name="Done").click()
    expect(page.get_by_role("heading", level=1, name="Blues Notehub")).to_be_visible()
    source = group.api.get(f"/groups/{group.id}/sources")["sources"][0]
    assert source["thing"] == {"path": "device", "by": "external_id", "otherwise": "create"}
    assert source["handshake"] == "text" and source["subtopic"] == "{payload.file}"


def test_what_cannot_be_reached_is_said_and_tried_again(page, group, watch):
    open_page(page, group.url("webhooks"), "Webhooks")
    watch.faults.clear()
    page.route("**/groups/*/webhooks?*", lambda route: route.abort())
    page.get_by_label("Search webhooks by name").fill("x")
    expect(page.get_by_role("alert")).to_contain_text("Hookline cannot be reached")
    page.unroute("**/groups/*/webhooks?*")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="None is like that")).to_be_visible()
    # That much the browser says of it by itself.
    watch.faults = [fault for fault in watch.faults if "net::ERR_FAILED" not in fault]
