"""Choosing among very many: a search finds what no list shows, and what is chosen is shown by its name."""

import pytest
from conftest import choose, open_page, picture, sign_in, until
from playwright.sync_api import expect
from test_quality import check, sign_in_on_phone


def fill(group, count=700):
    """Many things, by their names."""
    rows = [
        {"name": f"Meter {n:03}", "external_id": f"EUI {n:03}", "profile_id": group.profile}
        for n in range(1, count + 1)
    ]
    made = group.api.post(f"/groups/{group.id}/things/bulk", rows)["things"]
    return {thing["name"]: thing["id"] for thing in made}


def found(place):
    return place.get_by_role("listbox", name="Found").get_by_role("option")


def chosen(page, name):
    return page.locator(f'[data-field="{name}"]').get_by_role("list", name="Chosen").get_by_role("listitem")


def test_the_650th_thing_is_chosen_for_a_trigger_by_keyboard_alone(page, group, watch):
    things = fill(group)
    open_page(page, group.url("webhooks/new"), "New webhook")
    page.get_by_label("Name", exact=True).fill("Meters")
    page.get_by_label("Url", exact=True).fill(group.hookline.receiver)
    box = page.get_by_role("combobox", name="Things", exact=True)
    box.focus()
    expect(box).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("ArrowDown")
    expect(found(page)).to_have_count(20)
    expect(page.get_by_text("There are more: type more of the name.", exact=True)).to_be_visible()
    expect(box).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    expect(box).to_have_attribute("aria-activedescendant", found(page).last.get_attribute("id"))
    page.keyboard.type("ter 650")
    expect(found(page)).to_have_count(1)
    expect(found(page)).to_contain_text("Meter 650")
    expect(box).to_have_attribute("aria-activedescendant", found(page).get_attribute("id"))
    page.keyboard.press("Enter")
    expect(chosen(page, "trigger.things")).to_have_text(["Meter 650"])
    expect(found(page)).to_have_attribute("aria-selected", "true")
    page.keyboard.type("EUI 007")
    expect(found(page)).to_contain_text(["Meter 007"])
    page.keyboard.press("Enter")
    expect(chosen(page, "trigger.things")).to_have_text(["Meter 650", "Meter 007"])
    # Whoever is faster than the search gets what it finds, if that is one.
    page.keyboard.type("EUI 333")
    page.keyboard.press("Enter")
    expect(chosen(page, "trigger.things")).to_have_text(["Meter 650", "Meter 007", "Meter 333"])
    page.get_by_role("button", name="Remove Meter 333").press("Enter")
    expect(box).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(found(page)).to_have_count(20)
    # The first time it closes the list; what was looked for goes with it.
    page.keyboard.press("Escape")
    expect(found(page)).to_have_count(0)
    expect(box).to_have_value("")
    page.keyboard.press("Backspace")
    expect(chosen(page, "trigger.things")).to_have_text(["Meter 650"])
    page.get_by_role("combobox", name="Profiles", exact=True).focus()
    # Nor does it matter where that person is by then.
    page.keyboard.type("sens")
    page.keyboard.press("Enter")
    page.get_by_label("Name", exact=True).focus()
    expect(found(page)).to_have_count(0)
    expect(chosen(page, "trigger.profiles")).to_have_text(["Sensors"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="Meters")).to_be_visible()

    id = page.url.split("/")[-1]
    trigger = group.api.get(f"/webhooks/{id}")["trigger"]
    assert trigger["things"] == [things["Meter 650"]] and trigger["profiles"] == [group.profile]
    open_page(page, f"{group.hookline.console}#/webhook/{id}/edit", "Edit Meters")
    expect(chosen(page, "trigger.things")).to_have_text(["Meter 650"])
    expect(chosen(page, "trigger.profiles")).to_have_text(["Sensors"])
    page.get_by_role("button", name="Remove Meter 650").focus()
    page.keyboard.press("Enter")
    expect(chosen(page, "trigger.things")).to_have_count(0)
    expect(page.get_by_role("combobox", name="Things", exact=True)).to_be_focused()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("version 2")).to_be_visible()
    trigger = group.api.get(f"/webhooks/{id}")["trigger"]
    assert trigger.get("things", []) == [] and trigger["profiles"] == [group.profile]
    # Nothing looks through all things of a group.
    assert [request.url for request in watch.requests if "/things?" in request.url and "limit=200" in request.url] == []


def test_what_is_asked_for_first_does_not_take_the_place_of_what_was_typed_since(page, group):
    fill(group, 3)
    open_page(page, group.url("webhooks/new"), "New webhook")
    held = []
    page.route("**/things?*name_begins=M&*", lambda route: held.append(route))
    box = page.get_by_role("combobox", name="Things", exact=True)
    box.fill("M")
    until(lambda: page.wait_for_timeout(50) is None and len(held) > 0, "the first search")
    box.fill("Boil")
    expect(found(page)).to_have_text(["Boiler"])
    for route in held:
        route.abort()
    page.unroute("**/things?*name_begins=M&*")
    box.press("Enter")
    expect(chosen(page, "trigger.things")).to_have_text(["Boiler"])


def test_a_source_is_of_one_thing_and_never_of_none(page, group):
    things = fill(group)
    open_page(page, group.url("sources/new"), "New source")
    page.get_by_label("Name", exact=True).fill("Readings")
    box = page.get_by_role("combobox", name="Thing", exact=True)
    expect(box).to_have_value("Boiler")
    box.click()
    expect(found(page).filter(has_text="Boiler")).to_have_attribute("aria-selected", "true")
    box.fill("EUI 650")
    expect(found(page)).to_have_count(1)
    found(page).click()
    expect(box).to_have_value("Meter 650")
    # What nobody is called is not kept, and neither is nothing.
    for text in ["nothing like it", ""]:
        box.fill(text)
        if text:
            expect(page.get_by_text("None is like that.").first).to_be_visible()
        page.get_by_label("Name", exact=True).focus()
        expect(box).to_have_value("Meter 650")
    page.get_by_role("button", name="Create source").click()
    page.get_by_role("dialog").get_by_role("button", name="Done").click()
    expect(page.get_by_role("heading", level=1, name="Readings")).to_be_visible()
    source = group.api.get(f"/groups/{group.id}/sources")["sources"][0]
    assert source["thing_id"] == things["Meter 650"]
    open_page(page, f"{group.hookline.console}#/source/{source['id']}/edit", "Edit Readings")
    expect(box).to_have_value("Meter 650")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", level=1, name="Readings")).to_be_visible()
    assert group.api.get(f"/sources/{source['id']}")["thing_id"] == things["Meter 650"]


def test_the_log_alarms_and_what_is_sent_again_are_narrowed_down_to_a_thing(page, group):
    things = fill(group)
    edge = {"rules": [{"path": "t", "operator": "gt", "value": 1}], "edge": "silent"}
    webhook = group.webhook()
    group.webhook("Edge", conditions=edge)
    group.publish('{"t":2}')
    group.hookline.publish(things["Meter 650"], '{"t":2}')
    until(lambda: group.api.get(f"/webhooks/{webhook['id']}/log?status=ok")["total"] == 2, "the log")
    until(lambda: group.api.get(f"/groups/{group.id}/alarms")["total"] == 2, "the alarms")
    for section, title in [("log", "Log"), ("alarms", "Alarms")]:
        open_page(page, group.url(section), title)
        rows = page.get_by_role("table", name=title).locator("tbody tr:not(.detail)")
        expect(rows).to_have_count(2)
        expect(rows.get_by_role("link", name="Meter 650")).to_have_count(1)
        choose(page, "Thing", "Meter 65", "Meter 650")
        expect(rows).to_have_count(1)
        expect(rows.get_by_role("link", name="Meter 650")).to_have_count(1)
        # What is chosen is in the address, and has its name there too.
        page.reload()
        expect(page.get_by_role("combobox", name="Thing", exact=True)).to_have_value("Meter 650")
        expect(rows).to_have_count(1)
        page.get_by_role("button", name="Remove Meter 650").click()
        expect(rows).to_have_count(2)
        choose(page, "Webhook", "Edge" if title == "Alarms" else "Pipe")
        page.get_by_role("combobox", name="Webhook", exact=True).fill("")
        page.get_by_role("heading", level=1).click()
        expect(page.get_by_role("button", name="Remove")).to_have_count(0)
        expect(rows).to_have_count(2)
    open_page(page, f"{group.hookline.console}#/webhook/{webhook['id']}", "Pipeline")
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Send messages again").click()
    dialog = page.get_by_role("dialog")
    # The list alone is closed.
    choose(dialog, "Things", "Meter 650")
    expect(found(dialog)).to_have_count(0)
    dialog.get_by_role("button", name="Count").click()
    expect(dialog.get_by_role("status").filter(has_text="1 message,")).to_be_visible()
    picture(page, "picker-dialog")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)])
def test_it_can_be_read_and_fits(new_page, hookline, group, scheme, width):
    things = fill(group, 60)
    trigger = {"things": list(things.values())[:5], "profiles": [group.profile]}
    webhook = group.webhook("Meters", trigger=trigger)
    page = new_page(color_scheme=scheme, viewport={"width": width, "height": 860})
    (sign_in if width > 768 else sign_in_on_phone)(page, hookline, group.token)
    open_page(page, f"{hookline.console}#/webhook/{webhook['id']}/edit", "Edit Meters")
    expect(chosen(page, "trigger.things")).to_have_count(5)
    box = page.get_by_role("combobox", name="Things", exact=True)
    box.click()
    box.fill("meter 0")
    expect(found(page)).to_have_count(20)
    expect(page.get_by_text("Looking …")).to_have_count(0)
    check(page, f"the list, {scheme}, {width}")
    picture(page, f"picker-{scheme}-{width}", full_page=False)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    list_box = page.get_by_role("listbox", name="Found").bounding_box()
    assert list_box["x"] >= 0 and list_box["x"] + list_box["width"] <= width
    box.fill("nobody")
    expect(page.get_by_text("None is like that.").first).to_be_visible()
    check(page, f"an empty list, {scheme}, {width}")
