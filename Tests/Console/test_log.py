"""The log of a whole group, and one delivery of it."""

import re

from conftest import choose, expect_failures_first, open_page, picture, sign_in, until
from playwright.sync_api import expect


def open_newest(page, group, webhook, attempts):
    """Opens the details of a group's newest line, once so many attempts are in its log."""
    until(lambda: group.attempts(webhook) == attempts, "the attempts")
    until(lambda: group.api.get(f"/webhooks/{webhook['id']}/log")["total"] == attempts, "the log")
    open_page(page, group.url("log"), "Log")
    page.get_by_role("button", name=re.compile("Details of")).first.click()


def test_the_groups_log_names_what_it_is_about_and_finds_it(page, group):
    webhook = group.webhook("Pipeline", body='{"from":"{thing_name}","was":{payload}}')
    other = group.webhook("Other")
    for n in range(3):
        group.publish(f'{{"needle":{n}}}')
    until(lambda: group.attempts(webhook) == 3 and group.attempts(other) == 3, "the attempts")
    until(lambda: group.api.get(f"/groups/{group.id}/log")["total"] == 6, "the log")
    open_page(page, group.url("log"), "Log")
    table = page.get_by_role("table", name="Log")
    expect(table.locator("tbody tr:not(.detail)")).to_have_count(6)
    row = table.locator("tbody tr:not(.detail)").filter(has_text="Pipeline").first
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", row.locator("time").inner_text())
    expect(row.get_by_role("link", name="Boiler")).to_have_attribute("href", f"#/thing/{group.thing}")
    picture(page, "log")

    row.get_by_role("button", name=re.compile("Details of")).click()
    expect(page.get_by_label("Request body").first).to_contain_text('"from": "Boiler"')
    page.get_by_role("button", name="Copy as curl").first.click()
    line = page.evaluate("navigator.clipboard.readText()")
    assert line.startswith("curl -X POST '") and "<webhook-signature>" in line and "Boiler" in line

    search = page.get_by_label("Search")
    search.fill('"needle":1')
    expect(table.locator("tbody tr:not(.detail)")).to_have_count(2)
    search.fill("nothing like it")
    expect(page.get_by_role("heading", name="Nothing here")).to_be_visible()
    trigger = group.api.get(f"/webhooks/{other['id']}/log")["log"][0]["trigger_id"]
    search.fill(trigger)
    expect(page.get_by_text("Delivered to Other.")).to_be_visible()
    search.fill("")
    choose(page, "Webhook", "Other")
    expect(table.locator("tbody tr:not(.detail)")).to_have_count(3)
    # What was looked for is in the address.
    page.reload()
    expect(table.locator("tbody tr:not(.detail)")).to_have_count(3)


def test_an_answer_to_what_was_asked_before_is_not_waited_for(page, group):
    webhook = group.webhook("Pipeline")
    group.publish('{"needle":1}')
    until(lambda: group.attempts(webhook) == 1, "the attempt")
    until(lambda: group.api.get(f"/groups/{group.id}/log")["total"] == 1, "the log")
    open_page(page, group.url("log"), "Log")
    rows = page.get_by_role("table", name="Log").locator("tbody tr:not(.detail)")
    expect(rows).to_have_count(1)
    held = []
    page.route(re.compile("text=slow"), lambda route: held.append(route))
    search = page.get_by_label("Search")
    with page.expect_request(re.compile("text=slow")):
        search.fill("slow")
    with page.expect_event("requestfailed", lambda request: "text=slow" in request.url):
        search.fill("")
    expect(rows).to_have_count(1)


def test_two_attempts_stand_side_by_side(page, group):
    webhook = group.webhook("Away", url="http://127.0.0.1:9/", retry_schedule=[1], max_attempts=2)
    group.publish("1")
    open_newest(page, group, webhook, attempts=2)
    page.get_by_text("Compare two attempts").first.click()
    both = page.get_by_role("table", name="Two attempts").first
    expect(both.get_by_role("columnheader", name="Attempt 1")).to_be_visible()
    expect(both.get_by_role("columnheader", name="Attempt 2")).to_be_visible()
    expect(both.locator("strong").filter(has_text="Made at")).to_be_visible()


def test_headers_of_a_failed_answer_are_shown_and_copied(page, group):
    webhook = group.webhook("Missing", url=f"{group.hookline.base}/nothing", max_attempts=1)
    group.publish("1")
    open_newest(page, group, webhook, attempts=1)
    page.get_by_text("Headers of the answer").first.click()
    headers = page.get_by_label("Headers of the answer to attempt 1", exact=True)
    expect(headers).to_contain_text("content-type: application/json")
    picture(page, "log-headers")
    page.get_by_role("button", name="Copy the headers of the answer to attempt 1").click()
    assert "content-type: application/json" in page.evaluate("navigator.clipboard.readText()")


def test_the_groups_log_says_first_what_went_wrong_and_folds_what_waits(page, group):
    group.failing_webhook()
    open_page(page, group.url("log"), "Log")
    expect_failures_first(page, "log-failing")
    log = page.get_by_role("table", name="Log")
    # Who asks for what waits gets all of it.
    page.get_by_label("Status").select_option("waiting")
    expect(log.get_by_text("What went wrong last")).to_have_count(0)
    expect(log.get_by_role("button", name="more that wait")).to_have_count(0)


def test_what_failed_and_what_arrived_is_sent_again_from_the_groups_log(new_page, page, hookline, group):
    down = group.webhook("Down", url="http://127.0.0.1:9/", max_attempts=1, failure_limit=0)
    good = group.webhook("Good")
    group.publish('{"n":1}')
    until(lambda: group.api.get(f"/groups/{group.id}/log?status=ok,failed")["total"] == 2, "the log")
    group.api.put(f"/groups/{group.id}/members", [{"member_id": "a-reader", "role": "viewer"}])
    reader = new_page()
    sign_in(reader, hookline, hookline.token("a-reader"))
    open_page(reader, group.url("log"), "Log")
    expect(reader.get_by_role("table", name="Log").locator(".badge", has_text="Failed")).to_be_visible()
    expect(reader.get_by_role("button", name="Retry")).to_have_count(0)
    expect(reader.get_by_role("button", name="Send again")).to_have_count(0)

    # The receiver is back.
    group.api.put(f"/webhooks/{down['id']}", {"name": "Down", "url": hookline.receiver})
    open_page(page, group.url("log"), "Log")
    log = page.get_by_role("table", name="Log")
    log.get_by_role("button", name="Retry").click()
    expect(page.get_by_text("1 sent again")).to_be_visible()
    until(lambda: group.attempts(down) == 2, "the retry")
    log.get_by_role("row").filter(has_text="Good").first.get_by_role("button", name="Send again").click()
    expect(page.get_by_text("It is being sent")).to_be_visible()
    until(lambda: group.attempts(good) == 2, "it to be sent again")


def test_a_webhooks_log_names_things_tells_times_exactly_and_opens_on_a_click(page, group):
    webhook = group.webhook("Pipeline")
    group.publish('{"t":21.70}')
    until(lambda: group.api.get(f"/webhooks/{webhook['id']}/log?status=ok")["total"] == 1, "the log")
    for url, title in [
        (f"{group.hookline.console}#/webhook/{webhook['id']}", "Pipeline"),
        (group.url("log"), "Log"),
    ]:
        open_page(page, url, title)
        row = page.get_by_role("table", name="Log").locator("tbody tr:not(.detail)").first
        time = row.locator("time").first
        expect(time).to_have_text(re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}$"))
        expect(time).to_have_attribute("title", re.compile(r"\d\d:\d\d:\d\d\.\d{3}\s\S"))
        details = row.get_by_role("button", name=re.compile("Details of"))
        row.get_by_text("OK", exact=True).click()
        expect(details).to_have_attribute("aria-expanded", "true")
        expect(page.get_by_role("heading", name="Attempt 1")).to_be_visible()
        # Its button says once what it says, and copying is copying.
        row.get_by_role("button", name="Copy the trigger id").click()
        expect(details).to_have_attribute("aria-expanded", "true")
        details.click()
        expect(details).to_have_attribute("aria-expanded", "false")
        row.get_by_role("link", name="Boiler").click()
        expect(page.get_by_role("heading", level=1, name="Boiler")).to_be_visible()


def test_requests_and_answers_are_copied_with_what_is_hidden_left_out(page, group):
    webhook = group.webhook("Pipeline", headers={"X-Api-Key": "s3cret"})
    group.publish('{"t":21.70, "u":1}')
    until(lambda: group.api.get(f"/webhooks/{webhook['id']}/log?status=ok")["total"] == 1, "the log")
    open_page(page, f"{group.hookline.console}#/webhook/{webhook['id']}", "Pipeline")

    def copied(place, what):
        page.evaluate("navigator.clipboard.writeText('')")
        place.get_by_role("button", name=f"Copy {what}", exact=True).click()
        until(lambda: page.evaluate("navigator.clipboard.readText()") != "", what)
        return page.evaluate("navigator.clipboard.readText()")

    page.get_by_role("button", name=re.compile("Details of")).first.click()
    detail = page.locator("tr.detail")
    # As it was sent, not as it is laid out.
    assert copied(detail, "the body of the request") == '{"t":21.70, "u":1}'
    head = copied(detail, "the head of the request")
    assert head.startswith(f"POST {group.hookline.receiver}") and "***" in head and "s3cret" not in head
    page.get_by_role("button", name="Test", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("It works")).to_be_visible()
    picture(page, "test-copied")
    assert copied(dialog, "the body of the answer") == "received\n"
    dialog.get_by_text("The request", exact=True).click()
    assert copied(dialog, "the body of the request") == '{"t":21.70, "u":1}'
    head = copied(dialog, "the head of the request")
    assert head.startswith("POST ") and "webhook-signature: ***" in head


HIDING = """(isHidden) => {
  Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_the_log_grows_while_it_is_looked_at(page, group):
    webhook = group.webhook("Pipeline")
    for n in range(30):
        group.publish(str(n))
    until(
        lambda: group.api.get(f"/webhooks/{webhook['id']}/log")["total"] == 30,
        "the log",
    )
    for url, title in [
        (group.url("log"), "Log"),
        (f"{group.hookline.console}#/webhook/{webhook['id']}", "Pipeline"),
    ]:
        open_page(page, url, title)
        table = page.get_by_role("table", name="Log")
        rows = table.locator("tbody tr:not(.detail)")
        # All of the newest come with the first word of the live log.
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        expect(rows).to_have_count(30 if title == "Log" else 33)
        details = rows.nth(20).get_by_role("button", name=re.compile("Details of"))
        details.click()
        expect(page.get_by_label("Request body").first).to_be_visible()
        name = details.get_attribute("aria-label")
        read = page.get_by_role("button", name=name, exact=True)
        # What is read stays where it is, and open.
        read.evaluate("element => element.scrollIntoView({ block: 'center' })")
        before = read.bounding_box()["y"]
        count = rows.count()
        group.publish('"new"')
        expect(rows).to_have_count(count + 1)
        expect(page.get_by_label("Request body").first).to_be_visible()
        assert abs(read.bounding_box()["y"] - before) < 3
        # Paused it stays as it is, and catches up afterwards.
        page.get_by_role("button", name="Pause", exact=True).click()
        group.publish('"later"')
        until(
            lambda n=count + 2: group.api.get(f"/webhooks/{webhook['id']}/log")["total"] == n,
            "the log",
        )
        expect(page.get_by_text("Paused", exact=True)).to_be_visible()
        expect(rows).to_have_count(count + 1)
        page.get_by_role("button", name="Go on", exact=True).click()
        expect(rows).to_have_count(count + 2)
        # Nor is it followed where nobody sees it.
        page.evaluate(HIDING, True)
        group.publish('"unseen"')
        until(lambda n=count + 3: group.api.get(f"/webhooks/{webhook['id']}/log")["total"] == n, "the log")
        page.wait_for_timeout(3_000)
        expect(rows).to_have_count(count + 2)
        page.evaluate(HIDING, False)
        expect(rows).to_have_count(count + 3)
    # What does not grow at its beginning is not followed.
    page.get_by_label("Status").select_option("failed")
    expect(page.get_by_role("heading", name="Nothing here")).to_be_visible()
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    page.get_by_role("button", name="Custom").click()
    expect(page.get_by_text("Live", exact=True)).to_be_hidden()
