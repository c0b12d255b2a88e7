"""What holds on every page: who cannot see or use a mouse, small screens, both colour schemes, and little to load."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import open_page, picture, sign_in, until
from playwright.sync_api import expect

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


def fill(group):
    """Something to show on every page."""
    webhook = group.webhook(headers={"X-Api-Key": "k"}, conditions=[{"path": "t", "operator": "exists"}])
    group.webhook("Down", url="http://127.0.0.1:9/", failure_limit=1, failure_window=0)
    group.webhook("Off", status="DISABLED")
    rule = {"path": "t", "operator": "ge", "value": 2, "until": 1}
    group.webhook("Edge", conditions={"rules": [rule], "edge": "silent"})
    source = group.api.post(f"/groups/{group.id}/sources", [{"name": "Shop", "thing_id": group.thing}])[0]
    group.api.post(f"/groups/{group.id}/keys", [{"name": "Deployment", "role": "editor"}])
    for n in range(3):
        group.publish(f'{{"t":{n}}}', "room/1")
    until(lambda: group.attempts(webhook) == 3, "the attempts")
    until(lambda: group.api.get(f"/groups/{group.id}/stats")["total"]["succeeded"] == 3, "the counts")
    return webhook, source


def pages(group, webhook, source):
    console = group.hookline.console
    return [
        (group.url("overview"), "Overview"),
        (group.url("webhooks"), "Webhooks"),
        (f"{console}#/webhook/{webhook['id']}", "Pipeline"),
        (f"{console}#/webhook/{webhook['id']}/edit", "Edit Pipeline"),
        (group.url("webhooks/new"), "New webhook"),
        (group.url("things"), "Things"),
        (f"{console}#/thing/{group.thing}", "Boiler"),
        (group.url("sources"), "Sources"),
        (group.url("sources/new"), "New source"),
        (f"{console}#/source/{source['id']}", "Shop"),
        (group.url("notices"), "Notices"),
        (group.url("keys"), "API keys"),
        (group.url("members"), "Groups and members"),
        (group.url("alarms"), "Alarms"),
        (group.url("log"), "Log"),
        (group.url("audit"), "Audit"),
    ]


def dialogs(page, group, webhook):
    """The dialogs that are opened most, each while it is open."""
    for name, url, title, button in [
        ("new thing", group.url("things"), "Things", "New thing"),
        ("new profile", group.url("things"), "Things", "New profile"),
        ("resend", f"{group.hookline.console}#/webhook/{webhook['id']}", "Pipeline", "More actions"),
        ("notice channel", group.url("notices"), "Notices", "New channel in"),
    ]:
        open_page(page, url, title)
        settle(page)
        page.get_by_role("button", name=button).first.click()
        if name == "resend":
            page.get_by_role("menuitem", name="Send messages again").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        settle(page)
        yield f"dialog-{name.replace(' ', '-')}"
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)


def settle(page):
    expect(page.get_by_text("Loading …")).to_have_count(0)
    expect(page.get_by_text("Connecting", exact=True)).to_have_count(0)


def check(page, what):
    results = Axe().run(page, options=RULES)
    assert results.violations_count == 0, f"{what}\n{results.generate_report()}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible(new_page, hookline, group, scheme):
    webhook, source = fill(group)
    page = new_page(color_scheme=scheme)
    page.goto(hookline.console)
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    check(page, "signing in")
    sign_in(page, hookline, group.token)
    for url, title in pages(group, webhook, source):
        open_page(page, url, title)
        settle(page)
        for summary in page.locator("summary").all():
            if summary.is_visible():
                summary.click()
        check(page, f"{title}, {scheme}")
        picture(page, f"{title.lower().replace(' ', '-')}-{scheme}")
    # What is opened above a page, too.
    for name in dialogs(page, group, webhook):
        check(page, f"{name}, {scheme}")
        picture(page, f"{name}-{scheme}")
    open_page(page, group.url("webhooks"), "Webhooks")
    page.get_by_role("button", name="Actions for Pipeline").click()
    check(page, f"a menu, {scheme}")
    page.get_by_role("menuitem", name="Test").click()
    expect(page.get_by_text("It works")).to_be_visible()
    check(page, f"a test, {scheme}")
    page.get_by_role("dialog").get_by_role("button", name="Close").first.click()
    page.get_by_role("button", name="Actions for Pipeline").click()
    page.get_by_role("menuitem", name="Delete").click()
    check(page, f"a question, {scheme}")
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    open_page(page, f"{hookline.console}#/webhook/{webhook['id']}", "Pipeline")
    page.get_by_role("button", name="Details of").first.click()
    expect(page.get_by_role("heading", name="Attempt 1")).to_be_visible()
    check(page, f"the log's details, {scheme}")
    open_page(page, group.url("webhooks/new"), "New webhook")
    page.get_by_role("button", name="Insert dynamic data into the url").click()
    check(page, f"dynamic data, {scheme}")


def test_every_page_fits_a_phone(new_page, hookline, group):
    webhook, source = fill(group)
    page = new_page(viewport={"width": 375, "height": 740}, has_touch=True, is_mobile=True)
    sign_in_on_phone(page, hookline, group.token)
    for url, title in pages(group, webhook, source):
        open_page(page, url, title)
        settle(page)
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{title} is {overflow} pixels too wide"
        check(page, f"{title} on a phone")
        picture(page, f"{title.lower().replace(' ', '-')}-phone")
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="Webhooks", exact=True).click()
    expect(page.get_by_role("heading", level=1, name="Webhooks")).to_be_visible()
    page.get_by_role("button", name="Actions for Pipeline").click()
    page.get_by_role("menuitem", name="Disable").click()
    expect(page.get_by_text("Pipeline: disabled")).to_be_visible()


def sign_in_on_phone(page, hookline, token):
    page.goto(hookline.console)
    page.get_by_label("Token", exact=True).fill(token)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Menu").wait_for()


def test_everything_can_be_done_with_the_keyboard(page, group):
    group.webhook()
    open_page(page, group.url("webhooks"), "Webhooks")
    heading = page.get_by_role("heading", level=1, name="Webhooks")
    expect(heading).to_be_focused()
    # From the top of the page: what skips the frame comes first.
    page.evaluate("document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex')")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the page")
    expect(skip).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    seen = []
    for _ in range(20):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent")
        )
    # In the order in which they stand.
    wanted = [
        "New webhook",
        "Search webhooks by name",
        "Search webhooks by host",
        "Any status",
        "Any health",
        "Any trigger",
        "Webhooks per page",
        "Webhooks",
        "Select all on this page",
        "Name",
        "Status",
        "Trigger",
        "Last triggered",
        "Attempts",
        "Select Pipeline",
        "Pipeline",
        "Actions for Pipeline",
    ]
    assert [name for name in seen if name in wanted] == wanted
    menu = page.get_by_role("button", name="Actions for Pipeline")
    menu.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem", name="Edit")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitem", name="Disable")).to_be_focused()
    page.keyboard.press("Escape")
    expect(menu).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    # The answer that does no harm is at hand.
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(menu).to_be_focused()
    assert group.api.get(f"/groups/{group.id}/webhooks")["total"] == 1


def test_the_appearance_is_the_systems_or_ones_own(new_page, hookline, group):
    page = new_page(color_scheme="dark")
    sign_in(page, hookline, group.token)
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    page.get_by_label("Appearance").select_option("light")
    light = page.evaluate(background)
    assert dark != light
    page.reload()
    expect(page.get_by_label("Appearance")).to_have_value("light")
    assert page.evaluate(background) == light


def test_the_first_page_needs_little_and_asks_nobody_else(new_page, hookline, group, watch):
    page = new_page()
    sizes = {}
    page.on("requestfinished", lambda request: sizes.__setitem__(request.url, request.sizes()))
    sign_in(page, hookline, group.token)
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    page.wait_for_load_state("load")
    total = sum(size["responseBodySize"] + size["responseHeadersSize"] for size in sizes.values())
    print(f"the first page: {total} bytes in {len(sizes)} answers")
    assert 10_000 < total < 150_000
    # The second time next to nothing: what has not changed is not sent again.
    sizes.clear()
    page.reload()
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    page.wait_for_load_state("load")
    again = sum(size["responseBodySize"] for url, size in sizes.items() if "/console/" in url)
    assert again < total / 2
    assert {request.url.split("/console")[0] for request in watch.requests if "/console" in request.url} == {
        hookline.base
    }
