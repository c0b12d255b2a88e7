"""Making and changing webhooks."""

import json
import re

from conftest import API, Refused, choose, open_page, picture, sign_in, until
from playwright.sync_api import expect


def new_webhook(page, group):
    open_page(page, group.url("webhooks/new"), "New webhook")


def add_row(page, legend, key, value):
    rows = page.get_by_role("group", name=legend)
    rows.get_by_role("button", name="Add a row").click()
    rows.get_by_placeholder(
        "Header" if legend == "Headers" else "Parameter" if legend == "Query parameters" else "Field"
    ).last.fill(key)
    rows.get_by_placeholder("Value").last.fill(value)
    return rows


def test_placeholders_are_inserted_at_the_cursor_and_the_preview_is_of_the_newest_message(page, group):
    group.publish('{"t":21.70,"room":"1a"}', "room")
    until(lambda: group.api.get(f"/things/{group.thing}/messages")["total"] == 1, "the message")
    new_webhook(page, group)
    preview = page.get_by_role("complementary", name="Preview")
    expect(preview).to_contain_text("No request can be made yet: url is required")
    url = page.get_by_label("Url", exact=True)
    url.fill(group.hookline.receiver + "/rooms/?x=1")
    expect(preview).to_contain_text("Of the newest message that came in.")
    # Between the path and the query.
    url.evaluate("(box) => box.setSelectionRange(box.value.indexOf('?'), box.value.indexOf('?'))")
    page.get_by_role("button", name="Insert dynamic data into the url").click()
    picker = page.get_by_role("dialog", name="Dynamic data")
    picker.get_by_label("Search dynamic data").fill("room")
    expect(picker.get_by_role("button")).to_have_count(1)
    picker.get_by_label("Search dynamic data").press("Enter")
    expect(url).to_have_value(group.hookline.receiver + "/rooms/{payload.room}?x=1")
    expect(url).to_be_focused()
    expect(preview.get_by_label("Request", exact=True)).to_contain_text("/rooms/1a?x=1")

    body = page.get_by_label("Body", exact=True)
    body.fill('{"temperature":}')
    body.evaluate("(box) => box.setSelectionRange(box.value.length - 1, box.value.length - 1)")
    page.get_by_role("button", name="Insert dynamic data into the body").click()
    picker.get_by_role("button", name="{payload.t}").click()
    expect(body).to_have_value('{"temperature":{payload.t}}')
    # Written as it came in.
    expect(preview.get_by_label("Request body")).to_contain_text("21.70")
    picture(page, "form")


def test_every_field_is_saved_as_it_was_filled_in(page, group):
    new_webhook(page, group)
    page.get_by_label("Name", exact=True).fill("Everything")
    page.get_by_label("Url", exact=True).fill(group.hookline.receiver)
    page.get_by_label("Method").select_option("PUT")
    page.get_by_label("Description").fill("All of it")
    add_row(page, "Headers", "X-Api-Key", "k")
    add_row(page, "Query parameters", "at", "{received_at}")
    page.get_by_label("Content type").select_option("form")
    add_row(page, "Form data", "temperature", "{payload.t}")
    page.get_by_label("Trigger", exact=True).select_option("MESSAGE")
    page.get_by_label("Subtopics").fill("room/+, alarms/#")
    choose(page, "Things", "Boiler")
    page.get_by_label("How many rules have to be met").select_option("any")
    page.get_by_role("button", name="Add a rule").click()
    page.get_by_label("Path 1").fill("t")
    page.get_by_label("Operator 1").select_option("gt")
    page.get_by_label("Compared with 1").fill("30")
    page.get_by_label("Kind", exact=True).select_option("basic")
    page.get_by_label("User name").fill("me")
    page.get_by_label("Password").fill("hidden")
    expect(page.get_by_label("Password")).to_have_attribute("type", "password")
    page.get_by_text("Delivery retries").click()
    page.get_by_label("Retry after").fill("5, 60")
    page.get_by_label("Attempts at most").fill("3")
    page.get_by_label("Give up after").fill("3600")
    page.get_by_label("Further success statuses").fill("302")
    page.get_by_label("A success only if the answer says so").check()
    page.get_by_label("At path").fill("result")
    page.get_by_label("it is", exact=True).fill("21.70")
    page.get_by_label("Disable after failures").fill("20")
    page.get_by_label("and after").fill("60")
    page.get_by_label("Requests per second").fill("2.5")
    page.get_by_label("In bursts of").fill("5")
    page.get_by_label("Requests at a time").fill("8")
    page.get_by_label("Order", exact=True).select_option("thing")
    page.get_by_label("Try 4xx answers again").uncheck()
    page.get_by_text("More status").click()
    page.get_by_label("Tell the thing what was answered").check()
    page.get_by_label("Tell these users").fill("anna, ben")
    page.get_by_label("Metadata").fill('{"team":"data"}')
    page.get_by_role("button", name="Create webhook").click()
    expect(page.get_by_role("heading", level=1, name="Everything")).to_be_visible()
    id = page.url.split("/")[-1]
    webhook = group.api.get(f"/webhooks/{id}")
    expected = {
        "name": "Everything",
        "url": group.hookline.receiver,
        "method": "PUT",
        "description": "All of it",
        "headers": {"X-Api-Key": "k"},
        "query": [{"key": "at", "value": "{received_at}"}],
        "content_type": "form",
        "body": [{"key": "temperature", "value": "{payload.t}"}],
        "trigger": {"type": "MESSAGE", "subtopics": ["room/+", "alarms/#"], "things": [group.thing]},
        "conditions": {"match": "any", "rules": [{"path": "t", "operator": "gt", "value": 30}]},
        "auth": {"type": "basic", "username": "me", "password": "hidden"},
        "retry_schedule": [5, 60],
        "max_attempts": 3,
        "max_age": 3600,
        "success_statuses": [302],
        "success": {"path": "result", "equals": 21.7},
        "failure_limit": 20,
        "failure_window": 60,
        "rate_limit": {"per_second": 2.5, "burst": 5, "overflow": "wait"},
        "max_in_flight": 8,
        "ordering": "thing",
        "retry_client_errors": False,
        "respond": True,
        "notify": ["anna", "ben"],
        "metadata": {"team": "data"},
        "status": "ENABLED",
    }
    assert {name: webhook[name] for name in expected} == expected

    # And saving it again, untouched, changes nothing of it.
    page.get_by_role("link", name="Edit", exact=True).click()
    expect(page.get_by_role("heading", level=1, name="Edit Everything")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("version 2")).to_be_visible()
    webhook = group.api.get(f"/webhooks/{id}")
    assert {name: webhook[name] for name in expected} == expected


def test_batches_silence_and_cloudevents_are_saved_too(page, group):
    new_webhook(page, group)
    page.get_by_label("Name", exact=True).fill("Batched")
    page.get_by_label("Url", exact=True).fill(group.hookline.receiver)
    page.get_by_text("Delivery retries").click()
    page.get_by_label("Several messages in one request").check()
    page.get_by_label("At most", exact=True).fill("50")
    page.get_by_label("Wait at most").fill("200")
    page.get_by_label("As", exact=True).select_option("ndjson")
    page.get_by_role("button", name="Create webhook").click()
    expect(page.get_by_role("heading", level=1, name="Batched")).to_be_visible()
    webhook = group.api.get(f"/webhooks/{page.url.split('/')[-1]}")
    assert webhook["batch"] == {"max_items": 50, "max_wait_ms": 200, "format": "ndjson"}

    new_webhook(page, group)
    page.get_by_label("Name", exact=True).fill("Silence")
    page.get_by_label("Url", exact=True).fill(group.hookline.receiver)
    page.get_by_label("Trigger", exact=True).select_option("THING_SILENT")
    page.get_by_label("Silent for (seconds)").fill("600")
    page.get_by_label("Format", exact=True).select_option("cloudevents")
    page.get_by_text("More status").click()
    page.get_by_label("Signature", exact=True).select_option("v1a")
    page.get_by_label("Enabled", exact=True).uncheck()
    page.get_by_role("button", name="Create webhook").click()
    expect(page.get_by_role("heading", level=1, name="Silence")).to_be_visible()
    webhook = group.api.get(f"/webhooks/{page.url.split('/')[-1]}")
    assert webhook["trigger"] == {"type": "THING_SILENT", "after": 600}
    assert (webhook["format"], webhook["status"]) == ("cloudevents", "DISABLED")
    assert "public_key" in group.api.get(f"/webhooks/{webhook['id']}/secret")


def test_an_answer_is_kept_for_a_time(page, group):
    new_webhook(page, group)
    page.get_by_label("Name", exact=True).fill("Kept")
    page.get_by_label("Url", exact=True).fill(group.hookline.receiver)
    page.get_by_text("More status").click()
    page.get_by_label("Tell the thing what was answered").check()
    page.get_by_label("Kept for (seconds)").fill("3600")
    page.get_by_role("button", name="Create webhook").click()
    expect(page.get_by_role("heading", level=1, name="Kept")).to_be_visible()
    webhook = group.api.get(f"/webhooks/{page.url.split('/')[-1]}")
    assert webhook["respond"]["keep_for"] == 3600 and webhook["respond"]["retain"] is False


def test_a_trigger_asks_for_data_or_for_log_events(page, group, watch):
    watch.expects(400)
    new_webhook(page, group)
    page.get_by_label("Name", exact=True).fill("Temperatures")
    page.get_by_label("Url", exact=True).fill(group.hookline.receiver)
    expect(page.get_by_label("Codes", exact=True)).to_be_hidden()
    page.get_by_label("Data at", exact=True).fill("t, sensor.values[0]")
    page.get_by_role("button", name="Create webhook").click()
    expect(page.get_by_text("Message with t, sensor.values[0]")).to_be_visible()
    webhook = page.url.split("/")[-1]
    assert group.api.get(f"/webhooks/{webhook}")["trigger"] == {"type": "MESSAGE", "paths": ["t", "sensor.values[0]"]}
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Trigger", exact=True).select_option("LOG_EVENT")
    expect(page.get_by_label("Data at", exact=True)).to_be_hidden()
    page.get_by_label("Codes", exact=True).fill("too_hot, leak")
    page.get_by_label("Levels", exact=True).fill("loud")
    page.get_by_role("button", name="Save").click()
    expect(
        page.get_by_text("trigger.levels[0] must be one of info, warning, critical, content", exact=True)
    ).to_be_visible()
    page.get_by_label("Levels", exact=True).fill("warning, critical")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Log event too_hot, leak (warning, critical)")).to_be_visible()
    assert group.api.get(f"/webhooks/{webhook}")["trigger"] == {
        "type": "LOG_EVENT",
        "codes": ["too_hot", "leak"],
        "levels": ["warning", "critical"],
    }


def test_a_trigger_that_is_called_by_another_name_keeps_it(page, group):
    webhook = group.webhook(trigger={"type": "DEVICE_ADDED"})
    open_page(page, f"{group.hookline.console}#/webhook/{webhook['id']}", "Pipeline")
    expect(page.get_by_text("Thing created (DEVICE_ADDED)")).to_be_visible()
    page.get_by_role("link", name="Edit").click()
    trigger = page.get_by_label("Trigger", exact=True)
    expect(trigger.locator("option:checked")).to_have_text("Thing created")
    page.get_by_label("Name", exact=True).fill("As before")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1, name="As before")).to_be_visible()
    assert group.api.get(f"/webhooks/{webhook['id']}")["trigger"] == {"type": "DEVICE_ADDED"}
    schemas = group.api.get("/openapi.json")["components"]["schemas"]
    names = page.evaluate(
        "async () => { const f = await import('/console/format.js'); return Object.keys(f.triggers); }"
    )
    kinds = page.evaluate(
        "async (all) => { const f = await import('/console/format.js'); return all.map(f.triggerKind); }",
        schemas["TriggerKind"]["enum"],
    )
    assert set(kinds) == set(names)


def test_what_is_left_out_and_how_things_are_answered_is_saved(page, group):
    new_webhook(page, group)
    page.get_by_label("Name", exact=True).fill("Sparing")
    page.get_by_label("Url", exact=True).fill(group.hookline.receiver)
    page.get_by_label("User properties as headers").fill("site, tag")
    page.get_by_label("with this before each").fill("x-device-")
    page.get_by_role("button", name="Add a rule").click()
    page.get_by_label("Path 1").fill("{mqtt.user.site}")
    page.get_by_label("Compared with 1").fill("k1")
    page.get_by_text("Delivery retries").click()
    page.get_by_label("Of each thing one in").fill("15")
    page.get_by_label("and of the others").select_option("first")
    page.get_by_label("but at once").fill("alarm, door.open")
    page.get_by_label("Leave out what says nothing new").check()
    page.get_by_label("The same at").fill("t")
    page.get_by_label("for", exact=True).fill("60")
    page.get_by_text("More status").click()
    page.get_by_label("Tell the thing what was answered").check()
    page.get_by_label("Told", exact=True).select_option("raw")
    page.get_by_label("On things/<id>/responses/").fill("weather/{subtopic}")
    page.get_by_label("Kept by the broker").check()
    page.get_by_label("Where the message asks for it").check()
    page.get_by_role("button", name="Create webhook").click()
    expect(page.get_by_role("heading", level=1, name="Sparing")).to_be_visible()
    id = page.url.split("/")[-1]
    expected = {
        "rate_limit": {
            "per_thing": {
                "every": 15,
                "keep": "first",
                "bypass": ["alarm", "door.open"],
            }
        },
        "duplicates": {"path": "t", "within": 60},
        "respond": {
            "topic": "weather/{subtopic}",
            "format": "raw",
            "on": "success",
            "qos": 1,
            "retain": True,
            "to": "response_topic",
        },
        "forward_properties": {"names": ["site", "tag"], "prefix": "x-device-"},
        "conditions": {
            "match": "all",
            "rules": [{"of": "mqtt", "path": "user.site", "operator": "eq", "value": "k1"}],
        },
    }
    webhook = group.api.get(f"/webhooks/{id}")
    assert {name: webhook[name] for name in expected} == expected

    # And saving it again, untouched, changes nothing of it.
    page.get_by_role("link", name="Edit", exact=True).click()
    expect(page.get_by_role("heading", level=1, name="Edit Sparing")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("version 2")).to_be_visible()
    webhook = group.api.get(f"/webhooks/{id}")
    assert {name: webhook[name] for name in expected} == expected


def test_what_the_server_does_not_take_is_said_at_the_field(page, group, watch):
    watch.expects(400, 409)
    group.webhook("Taken")
    new_webhook(page, group)
    create = page.get_by_role("button", name="Create webhook")
    create.click()
    name = page.get_by_label("Name", exact=True)
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(name).to_be_focused()
    expect(name).to_have_accessible_description("name is required")
    name.fill("Taken")
    create.click()
    url = page.get_by_label("Url", exact=True)
    expect(url).to_be_focused()
    expect(url).to_have_accessible_description("http or https. Path and query may have placeholders. url is required")
    url.fill("ftp://example.com")
    create.click()
    expect(url).to_have_attribute("aria-invalid", "true")
    url.fill("https://example.com/")
    create.click()
    expect(name).to_have_accessible_description("name is taken already")
    expect(url).not_to_have_attribute("aria-invalid", "true")
    name.fill("Mine")
    # In a part that is folded away, and in one row of several.
    add_row(page, "Headers", "X-Good", "1")
    add_row(page, "Headers", "Host", "2")
    create.click()
    expect(page.get_by_label("Header 2")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Header 1")).not_to_have_attribute("aria-invalid", "true")
    page.get_by_label("Header 2").fill("x-good")
    create.click()
    # The preview says it too, as soon as it has asked.
    fault = page.locator("form .fault")
    expect(fault.filter(has_text="headers.x-good is given twice")).to_be_visible()
    page.get_by_role("button", name="Remove row 2").click()
    page.get_by_text("Delivery retries").click()
    page.get_by_label("Attempts at most").fill("100000")
    page.get_by_text("Delivery retries").click()
    create.click()
    expect(page.get_by_label("Attempts at most")).to_be_focused()
    page.get_by_label("Attempts at most").fill("")
    page.get_by_text("More status").click()
    page.get_by_label("Metadata").fill("{")
    create.click()
    expect(fault.filter(has_text="metadata must be a JSON object")).to_be_visible()
    picture(page, "form-errors")
    page.get_by_label("Metadata").fill("{}")
    create.click()
    expect(page.get_by_role("heading", level=1, name="Mine")).to_be_visible()


def test_a_webhook_is_tested_before_it_is_saved_and_the_steps_take_the_buttons_place(page, group, watch):
    watch.expects(400)
    new_webhook(page, group)
    test = page.get_by_role("button", name="Test", exact=True)
    test.click()
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.get_by_label("Name", exact=True).fill("Tried")
    page.get_by_label("Url", exact=True).fill("http://127.0.0.1:9/")
    test.click()
    expect(page.get_by_text("It failed")).to_be_visible()
    steps = page.get_by_role("list").filter(has_text="Check the address").get_by_role("listitem")
    expect(steps.filter(has=page.get_by_role("img", name="failed"))).to_have_count(1)
    expect(test).to_have_count(0)
    page.get_by_label("Url", exact=True).fill(group.hookline.receiver)
    page.get_by_role("button", name="Test again").click()
    expect(page.get_by_text("It works")).to_be_visible()
    expect(page.get_by_label("Answer", exact=True)).to_have_text("received")
    picture(page, "form-test")
    assert group.api.get(f"/groups/{group.id}/webhooks")["total"] == 0


def test_secrets_are_hidden_until_shown_and_a_change_is_previewed_and_tested_unsaved(page, group):
    webhook = group.webhook(headers={"X-Api-Key": "s3cret"}, auth={"type": "bearer", "token": "t0ken"})
    open_page(page, f"{group.hookline.console}#/webhook/{webhook['id']}/edit", "Edit Pipeline")
    value = page.get_by_label("Value 1", exact=True)
    expect(value).to_have_attribute("type", "password")
    expect(page.get_by_label("Token", exact=True)).to_have_attribute("type", "password")
    page.get_by_role("group", name="Headers").get_by_role("button", name="Show").click()
    expect(value).to_have_attribute("type", "text")
    expect(value).to_have_value("s3cret")
    preview = page.get_by_role("complementary", name="Preview")
    expect(preview).to_contain_text("authorization: ***")
    page.get_by_label("Method").select_option("PATCH")
    expect(preview).to_contain_text("PATCH ")
    page.get_by_role("button", name="Test", exact=True).click()
    expect(page.get_by_text("It works")).to_be_visible()
    assert group.api.get(f"/webhooks/{webhook['id']}")["method"] == "POST"
    page.get_by_role("link", name="Cancel").click()
    expect(page.get_by_role("heading", level=1, name="Pipeline")).to_be_visible()


def test_json_of_users_comes_back_as_it_was_written(page, group):
    metadata = '{"z":12345678901234567890,"a":21.70,"2":[],"1":{"value":1.0}}'
    rules = '[{"path":"n","operator":"eq","value":12345678901234567890},{"path":"t","operator":"in","value":[21.70,"C",1e2]}]'
    draft = (
        f'[{{"name":"Exact","url":"{group.hookline.receiver}","metadata":{metadata},'
        f'"conditions":{{"match":"any","rules":{rules}}},"success":{{"path":"r","equals":1.50}}}}]'
    )
    id = json.loads(group.api.text("POST", f"/groups/{group.id}/webhooks", draft))[0]["id"]

    def parts():
        text = group.api.text("GET", f"/webhooks/{id}")
        assert metadata in text, text
        assert text.count('"value":12345678901234567890') == 1, text
        assert '"value":[21.70,"C",1e2]' in text, text
        return text

    parts()
    open_page(page, f"{group.hookline.console}#/webhook/{id}", "Exact")
    expect(page.get_by_text("n eq 12345678901234567890; t in [21.70")).to_be_visible()
    page.get_by_role("link", name="Edit", exact=True).click()
    expect(page.get_by_label("Compared with 1")).to_have_value("12345678901234567890")
    page.get_by_text("More status").click()
    box = page.get_by_label("Metadata")
    assert '"a": 21.70' in box.input_value()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("version 2")).to_be_visible()
    assert '"equals":1.50' in parts()

    # What is near what was changed stays too.
    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_label("Path 2").fill("u")
    page.get_by_text("More status").click()
    metadata = '{"z":0.10,"a":21.70}'
    box.fill(metadata)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("version 3")).to_be_visible()
    assert '"path":"u"' in parts()


def test_what_is_fired_and_what_a_profile_says_keep_their_digits(page, group):
    webhook = group.webhook("Manual", trigger={"type": "MANUAL"})
    open_page(page, f"{group.hookline.console}#/webhook/{webhook['id']}", "Manual")
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Fire now").click()
    page.get_by_label("Payload").fill('{"n":12345678901234567890,"t":21.70}')
    with page.expect_request("**/trigger") as sent:
        page.get_by_role("dialog").get_by_role("button", name="Fire").click()
    assert sent.value.post_data == '{"payload":{"n":12345678901234567890,"t":21.70}}'
    expect(page.get_by_text("Fired at")).to_be_visible()

    config = '{"webhook":true,"z":21.70,"content_type":"application/json","write":false}'
    group.api.text("PUT", f"/profiles/{group.profile}", f'{{"name":"Sensors","config":{config}}}')
    open_page(page, group.url("things"), "Things")
    page.get_by_role("switch", name="write of Sensors").click()
    expect(page.get_by_role("switch", name="write of Sensors")).to_have_attribute("aria-checked", "true")
    text = group.api.text("GET", f"/profiles/{group.profile}")
    assert config.replace("false", "true") in text, text


def test_limits_choices_and_defaults_are_those_of_the_api(page, group):
    fields = group.api.get("/openapi.json")["components"]["schemas"]["WebhookDraft"]["properties"]
    new_webhook(page, group)
    page.get_by_text("Delivery retries").click()
    attempts = page.get_by_label("Attempts at most")
    expect(attempts).to_have_attribute("max", str(fields["max_attempts"]["maximum"]))
    expect(attempts).to_have_attribute("min", str(fields["max_attempts"]["minimum"]))
    expect(page.get_by_label("Disable after failures")).to_have_value(str(fields["failure_limit"]["default"]))
    expect(page.get_by_label("Order", exact=True)).to_have_value(fields["ordering"]["default"])
    methods = page.get_by_label("Method").get_by_role("option").all_text_contents()
    assert methods == fields["method"]["enum"]


def test_a_new_webhook_begins_with_a_preset_of_a_well_known_receiver(page, group):
    group.publish('{"t":21.70,"of":"\\"it\\""}')
    new_webhook(page, group)
    page.get_by_label("Begin with").select_option("slack")
    expect(page.get_by_label("Url", exact=True)).to_have_value(re.compile(r"https://hooks\.slack\.com/services/.*"))
    expect(page.get_by_label("Content type")).to_have_value("json")
    expect(page.get_by_text("To be filled in: url, the webhook url that Slack shows for the channel.")).to_be_visible()
    # Nothing has been filled in yet, so another one asks nothing.
    page.get_by_label("Begin with").select_option("influxdb")
    expect(page.get_by_label("Path 1")).to_have_value("value")
    expect(page.get_by_label("Content type")).to_have_value("text")
    page.get_by_label("Begin with").select_option("slack")
    page.get_by_label("Url", exact=True).fill(group.hookline.receiver)
    preview = page.get_by_role("complementary", name="Preview")
    expect(preview.get_by_label("Request body")).to_contain_text("*Boiler*")
    picture(page, "form-preset")
    page.get_by_role("button", name="Create webhook").click()
    expect(page.get_by_role("heading", level=1, name="Slack")).to_be_visible()
    webhook = group.api.get(f"/webhooks/{page.url.split('/')[-1]}")
    assert webhook["rate_limit"]["per_second"] == 1
    assert "{thing_name}" in webhook["body"]


def test_what_was_filled_in_stays_when_a_pasted_token_ends(new_page, hookline, group, watch):
    watch.expects(401)
    page = new_page()
    token, ended = hookline.token(group.user), hookline.token(group.user, "1s")
    sign_in(page, hookline, token)
    open_page(page, group.url("webhooks/new"), "New webhook")
    page.get_by_label("Name", exact=True).fill("Long thought about")
    page.get_by_label("Url", exact=True).fill(hookline.receiver)
    page.get_by_label("Description").fill("Hard to say again")
    dialog = page.get_by_role("dialog", name="Your token has ended")

    def has_ended():
        try:
            API(hookline.base, ended).get("/me")
        except Refused:
            return True

    until(has_ended, "the token to end")

    # It ends just now, however long the page took until here, and whatever else the page asks for by itself meanwhile.
    def send(route):
        headers = route.request.headers
        if route.request.method == "POST" and headers.get("authorization") == f"Bearer {token}":
            headers = {**headers, "authorization": f"Bearer {ended}"}
        route.continue_(headers=headers)

    page.route(f"{hookline.base}/**", send)
    page.get_by_role("button", name="Create webhook").click()
    expect(dialog).to_be_visible()
    picture(page, "token-ended")
    dialog.get_by_label("Token", exact=True).fill("nonsense")
    dialog.get_by_role("button", name="Go on").click()
    expect(dialog).to_contain_text("This token is not valid here")
    # What somebody else has filled in is not to be saved as theirs.
    dialog.get_by_label("Token", exact=True).fill(hookline.token("somebody"))
    dialog.get_by_role("button", name="Go on").click()
    expect(dialog).to_contain_text("This is a token of somebody")
    dialog.get_by_label("Token", exact=True).fill(hookline.token(group.user))
    dialog.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", level=1, name="Long thought about")).to_be_visible()
    webhooks = group.api.get(f"/groups/{group.id}/webhooks")["webhooks"]
    assert [webhook["description"] for webhook in webhooks] == ["Hard to say again"]
