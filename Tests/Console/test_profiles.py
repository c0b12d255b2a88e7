"""Profiles whose things send Protocol Buffers: the descriptor set is a file."""

import base64
import hashlib
import re

import pytest
from conftest import open_page, picture, sign_in
from playwright.sync_api import expect
from test_grid import FAULTS
from test_quality import check, settle, sign_in_on_phone

# message T { string s = 1; int32 n = 2; repeated T t = 3; }
DESCRIPTORS = "CjIiKAoBVBIJCgFzGAEgASgJEgkKAW4YAiABKAUSDQoBdBgDIAMoCzICLlRiBnByb3RvMw=="
SET = base64.b64decode(DESCRIPTORS)


def edit(page, group):
    """Opens the form of the group's profile."""
    open_page(page, group.url("things"), "Things")
    page.get_by_role("button", name="Actions for Sensors").click()
    page.get_by_role("menuitem", name="Edit").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="Edit “Sensors”")).to_be_visible()
    return dialog


def choose(file, content):
    file.set_input_files({"name": "acme.binpb", "mimeType": "application/octet-stream", "buffer": content})


def decode(group):
    return group.api.get(f"/profiles/{group.profile}")["config"].get("decode")


def test_a_descriptor_set_is_chosen_as_a_file_and_what_is_wrong_is_said_at_its_field(page, group, watch):
    watch.expects(400)
    dialog = edit(page, group)
    file, message = dialog.get_by_label("Descriptor set"), dialog.get_by_label("Message type")
    save = dialog.get_by_role("button", name="Save", exact=True)
    expect(file).to_be_hidden()
    dialog.get_by_label("Payloads are").select_option("protobuf")
    # Before anything is sent.
    expect(file).to_have_accessible_description(re.compile("at most 256 KiB"))
    save.click()
    expect(file).to_have_accessible_description(re.compile("descriptors is required"))
    sent = len([each for each in watch.requests if each.method == "PUT"])
    choose(file, bytes(256 * 1024 + 1024))
    expect(file).to_have_accessible_description(re.compile("has 257 KiB, and at most 256 KiB are taken"))
    expect(file).to_have_attribute("aria-invalid", "true")
    save.click()
    expect(file).to_be_focused()
    expect(file).to_have_accessible_description(re.compile("at most 256 KiB are taken"))
    assert len([each for each in watch.requests if each.method == "PUT"]) == sent
    # It is the server that reads it.
    choose(file, b"no such set")
    expect(file).not_to_have_attribute("aria-invalid", "true")
    message.fill("acme.Other")
    save.click()
    expect(file).to_have_accessible_description(re.compile("must be a FileDescriptorSet"))
    choose(file, SET)
    save.click()
    expect(message).to_have_accessible_description(re.compile("is no message of the descriptor set"))
    expect(message).to_be_focused()
    message.fill("T")
    dialog.get_by_label("By subtopic").fill("up/# T\n")
    save.click()
    expect(dialog).to_have_count(0)
    reference = {"sha256": hashlib.sha256(SET).hexdigest(), "size": len(SET)}
    whole = {"format": "protobuf", "descriptors": reference, "type": "T"}
    assert decode(group) == {**whole, "types": [{"subtopic": "up/#", "type": "T"}]}
    assert group.api.get(f"/profiles/{group.profile}/descriptors")["descriptors"] == DESCRIPTORS

    # The set that is there stays, and names its messages.
    edit(page, group)
    expect(dialog.get_by_label("Payloads are")).to_have_value("protobuf")
    expect(file).to_have_accessible_description(re.compile("stays unless another is chosen"))
    expect(dialog.locator("datalist option")).to_have_attribute("value", "T")
    expect(message).to_have_value("T")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    edit(page, group)
    dialog.get_by_label("write").uncheck()
    save.click()
    expect(dialog).to_have_count(0)
    assert decode(group) == {**whole, "types": [{"subtopic": "up/#", "type": "T"}]}
    edit(page, group)
    dialog.get_by_label("By subtopic").fill("")
    save.click()
    expect(dialog).to_have_count(0)
    assert decode(group) == whole
    edit(page, group)
    dialog.get_by_label("Payloads are").select_option("cbor")
    expect(file).to_be_hidden()
    save.click()
    expect(dialog).to_have_count(0)
    assert decode(group) == "cbor"


def test_options_that_have_no_fields_stay_as_they_are(page, group):
    options = {"format": "csv", "header": False, "columns": ["a", "b"]}
    group.api.put(f"/profiles/{group.profile}", {"name": "Sensors", "config": {"webhook": True, "decode": options}})
    dialog = edit(page, group)
    dialog.get_by_label("write").check()
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(dialog).to_have_count(0)
    assert decode(group) == options
    edit(page, group)
    dialog.get_by_label("Payloads are").select_option("csv")
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(dialog).to_have_count(0)
    assert decode(group) == "csv"


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_the_form_for_protocol_buffers_is_accessible_and_fits(new_page, hookline, group, width):
    config = {"webhook": True, "decode": {"format": "protobuf", "descriptors": DESCRIPTORS, "type": "T"}}
    group.api.put(f"/profiles/{group.profile}", {"name": "Sensors", "config": config})
    page = new_page(viewport={"width": width, "height": 900})
    (sign_in_on_phone if width <= 768 else sign_in)(page, hookline, group.token)
    dialog = edit(page, group)
    expect(dialog.get_by_label("Descriptor set")).to_be_visible()
    expect(dialog.locator("datalist option")).to_have_count(1)
    settle(page)
    check(page, f"a profile's form, {width}")
    assert page.evaluate(FAULTS) == []
    assert dialog.evaluate("(element) => element.scrollWidth - element.clientWidth") <= 0
    picture(page, f"dialog-protobuf-{width}")
