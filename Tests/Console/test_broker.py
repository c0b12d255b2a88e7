"""The broker's page: what is published at all, and a rule made of it."""

import threading

from conftest import open_page, picture, sign_in
from playwright.sync_api import expect
from test_grid import FAULTS
from test_quality import check, settle


def test_root_makes_a_rule_of_what_is_published_and_nobody_else_sees_it(new_page, hookline, group, page):
    expect(page.get_by_role("link", name="Broker")).to_have_count(0)
    open_page(page, group.url("broker"), "Broker")
    expect(page.get_by_text("is root's to see")).to_be_visible()

    root = new_page()
    sign_in(root, hookline, hookline.env["TOKEN"])
    open_page(root, group.url("broker"), "Broker")
    topic = f"zigbee2mqtt/{group.user}"
    hookline.publish_on(topic, '{"temperature":21.70}', "-r")
    hookline.publish_on(f"plant-{group.user}/press/state", "on", "-r")
    root.get_by_label("For", exact=True).select_option("3")
    publishing = threading.Timer(1, group.publish, ['{"t":1}'])
    publishing.start()
    root.get_by_role("button", name="Listen").click()
    expect(root.get_by_text("Listening for 3 seconds")).to_be_visible()
    row = root.get_by_role("row").filter(has_text=topic)
    expect(row).to_contain_text('{"temperature":21.70}')
    expect(row).to_contain_text("would be zigbee2mqtt/{thing}")
    publishing.join()
    picture(root, "broker")
    check(root, "the broker's page")
    for width in (390, 768, 1440):
        root.set_viewport_size({"width": width, "height": 900})
        assert root.evaluate(FAULTS) == []
        picture(root, f"broker-{width}")
    root.emulate_media(color_scheme="dark")
    check(root, "the broker's page, dark")
    picture(root, "broker-dark")
    root.get_by_role("button", name=f"Make a rule for plant-{group.user}/press/state").click()
    dialog = root.get_by_role("dialog")
    expect(dialog).to_contain_text(f"plant-{group.user}/{{thing}}/{{subtopic:#}}")
    dialog.get_by_role("button", name="Make the rule").click()
    taken = root.get_by_role("row").filter(has_text=f"plant-{group.user}/press/state")
    expect(taken).to_contain_text(f"rules of {group.name}")
    settle(root)
    rules = group.api.get(f"/groups/{group.id}/topic-rules")
    assert rules["rules"][0]["granted"]
    hookline.publish_on(topic, "", "-r")
    hookline.publish_on(f"plant-{group.user}/press/state", "", "-r")
