"""What is filled in is not lost: leaving asks, in dialogs as on pages, and a session that ends is gone on with."""

import re

import pytest
from conftest import open_page, picture
from playwright.sync_api import expect

QUESTION = "Leave without saving?"


def open_dialog(page, group):
    open_page(page, group.url("things"), "Things")
    page.get_by_role("button", name="New thing").click()
    dialog = page.get_by_role("dialog", name="New thing")
    expect(dialog).to_be_visible()
    return dialog


def leave(page, dialog, way):
    if way == "Escape":
        page.keyboard.press("Escape")
    else:
        dialog.get_by_role("button", name=way, exact=True).click()


def answer(page, text):
    question = page.get_by_role("dialog", name=QUESTION)
    expect(question).to_be_visible()
    question.get_by_role("button", name=text, exact=True).click()
    expect(question).to_have_count(0)


def test_a_dialog_asks_before_it_loses_what_was_filled_in_and_otherwise_closes_at_once(page, group):
    for way in ["Escape", "Close", "Cancel"]:
        dialog = open_dialog(page, group)
        leave(page, dialog, way)
        expect(dialog).to_have_count(0)
        expect(page.get_by_role("dialog", name=QUESTION)).to_have_count(0)
        dialog = open_dialog(page, group)
        dialog.get_by_label("Name", exact=True).fill("Pump")
        # What is as it was is not missed.
        dialog.get_by_label("Name", exact=True).fill("")
        leave(page, dialog, way)
        expect(dialog).to_have_count(0)
        dialog = open_dialog(page, group)
        dialog.get_by_label("Name", exact=True).fill("Pump")
        leave(page, dialog, way)
        if way == "Escape":
            expect(page.get_by_role("dialog", name=QUESTION)).to_be_visible()
            picture(page, "leave-dialog")
        answer(page, "Cancel")
        expect(dialog.get_by_label("Name", exact=True)).to_have_value("Pump")
        leave(page, dialog, way)
        answer(page, "Leave")
        expect(dialog).to_have_count(0)


def test_escape_asks_however_often_it_is_pressed(page, group):
    dialog = open_dialog(page, group)
    dialog.get_by_label("Name", exact=True).fill("Pump")
    question = page.get_by_role("dialog", name=QUESTION)
    for _ in range(3):
        page.keyboard.press("Escape")
        expect(question).to_be_visible()
        page.keyboard.press("Escape")
        expect(question).to_have_count(0)
    expect(dialog.get_by_label("Name", exact=True)).to_have_value("Pump")


def test_another_address_asks_and_takes_the_dialog_with_it(page, group):
    dialog = open_dialog(page, group)
    elsewhere = f"location.hash = '#/{group.id}/sources'"
    page.evaluate(elsewhere)
    expect(page.get_by_role("heading", level=1, name="Sources")).to_be_visible()
    expect(dialog).to_have_count(0)
    dialog = open_dialog(page, group)
    dialog.get_by_label("Name", exact=True).fill("Pump")
    page.evaluate(elsewhere)
    answer(page, "Cancel")
    expect(dialog.get_by_label("Name", exact=True)).to_have_value("Pump")
    assert page.url.endswith("/things")
    page.evaluate(elsewhere)
    answer(page, "Leave")
    expect(page.get_by_role("heading", level=1, name="Sources")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_reload_asks_while_a_dialog_is_filled_in(page, group):
    asked = []

    def go_on(dialog):
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", go_on)
    open_dialog(page, group)
    page.reload()
    assert asked == []
    dialog = open_dialog(page, group)
    dialog.get_by_label("Name", exact=True).fill("Pump")
    page.reload()
    assert asked == ["beforeunload"]


def test_what_is_in_a_dialog_stays_when_the_token_ends(page, hookline, group, watch):
    watch.expects(401)
    dialog = open_dialog(page, group)
    dialog.get_by_label("Name", exact=True).fill("Pump")
    token = page.evaluate("sessionStorage.getItem('hookline.token')")

    def refuse(route):
        if route.request.headers.get("authorization") == f"Bearer {token}":
            return route.fulfill(status=401, json={"error": "a valid bearer token is required: this one has ended"})
        return route.continue_()

    page.route(re.compile("/groups/[^/]+/things$"), refuse)
    dialog.get_by_role("button", name="Create thing").click()
    ended = page.get_by_role("dialog", name="Your token has ended")
    expect(ended).to_be_visible()
    # There is nothing to be lost in this one.
    ended.get_by_label("Token", exact=True).fill("nonsense")
    page.keyboard.press("Escape")
    expect(ended).to_have_count(0)
    expect(dialog.get_by_label("Name", exact=True)).to_have_value("Pump")
    dialog.get_by_role("button", name="Create thing").click()
    ended.get_by_label("Token", exact=True).fill(hookline.token(group.user, "2h"))
    ended.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("dialog", name="The key of “Pump”")).to_be_visible()
    names = [each["name"] for each in group.api.get(f"/groups/{group.id}/things")["things"]]
    assert sorted(names) == ["Boiler", "Pump"]


@pytest.mark.parametrize(
    "label, button, said", [("Payload", "Publish", "Published on"), ("Command", "Send", "Goes to")]
)
def test_what_is_to_be_published_or_sent_is_asked_for_until_it_was(page, group, label, button, said):
    open_page(page, f"{group.hookline.console}#/thing/{group.thing}", "Boiler")
    box = page.get_by_role("textbox", name=label, exact=True).first
    box.fill('{"t": 21.70}')
    link = page.get_by_role("navigation", name="Sections").get_by_role("link", name="Sources")
    link.click()
    answer(page, "Cancel")
    expect(box).to_have_value('{"t": 21.70}')
    place = page.locator("form").filter(has=box)
    place.get_by_role("button", name=button, exact=True).click()
    expect(page.get_by_text(said)).to_be_visible()
    link.click()
    expect(page.get_by_role("heading", level=1, name="Sources")).to_be_visible()
