"""Signing in and out, and what one sees of the console at all."""

from conftest import open_page, picture, sign_in
from playwright.sync_api import expect


def test_a_token_signs_in_and_stays_for_a_reload_and_signing_out_forgets_it(new_page, hookline, group):
    page = new_page()
    page.goto(hookline.console)
    picture(page, "sign-in")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("A token is needed.")
    sign_in(page, hookline, group.token)
    expect(page.get_by_role("heading", level=1, name="Overview")).to_be_focused()
    expect(page.get_by_text(f"Signed in as {group.user}")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", level=1, name="Overview")).to_be_visible()
    # In this tab alone, and nothing rides along by itself.
    assert page.context.cookies() == []
    assert group.token not in page.evaluate("JSON.stringify(localStorage)")
    page.get_by_role("button", name="Sign out").click()
    page.reload()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_a_token_that_is_not_valid_is_refused_in_words(new_page, hookline, watch):
    watch.expects(401)
    page = new_page()
    page.goto(hookline.console)
    page.get_by_label("Token", exact=True).fill("nonsense")
    page.get_by_label("Token", exact=True).press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not valid")
    expect(page.get_by_role("button", name="Sign in")).to_be_enabled()


def test_a_token_that_ends_leads_back_to_signing_in(new_page, hookline, group, watch):
    watch.expects(401)
    page = new_page()
    short = []

    # What the page follows once it is signed in has a token that ends, however long it took until there.
    def send(route):
        if not short:
            short.append(hookline.token(group.user, "20s"))
        route.continue_(headers={**route.request.headers, "authorization": f"Bearer {short[0]}"})

    page.route("**/live", send)
    sign_in(page, hookline, group.token)
    expect(page.get_by_role("alert")).to_contain_text("Your token has ended")


def test_the_link_of_hookline_dev_fills_in_the_token_and_does_not_sign_in_by_itself(new_page, hookline):
    page = new_page()
    page.goto(f"{hookline.console}#token={hookline.env['TOKEN']}")
    expect(page.get_by_label("Token", exact=True)).to_have_value(hookline.env["TOKEN"])
    assert hookline.env["TOKEN"] not in page.url
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Signed in as demo (root)")).to_be_visible()


def test_who_is_in_no_group_sees_no_webhooks_and_can_make_a_group(new_page, hookline):
    page = new_page()
    sign_in(page, hookline, hookline.token("newcomer"))
    expect(page.get_by_role("heading", name="You are in no group yet")).to_be_visible()
    sections = page.get_by_role("navigation", name="Sections").get_by_role("link")
    expect(sections).to_have_text(["Groups and members"])
    picture(page, "no-group")
    page.get_by_role("button", name="Make a group").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Greenhouse")
    page.get_by_role("button", name="Create group").click()
    expect(sections).to_have_text(
        [
            "Overview",
            "Webhooks",
            "Alarms",
            "Log",
            "Things",
            "Sources",
            "Notices",
            "API keys",
            "Groups and members",
            "Audit",
        ]
    )
    expect(page.get_by_role("heading", name="Members of Greenhouse")).to_be_visible()


def test_a_viewer_reads_and_is_offered_nothing_that_changes(new_page, hookline, group):
    webhook = group.webhook(headers={"X-Api-Key": "s3cret"})
    group.api.put(f"/groups/{group.id}/members", [{"member_id": "viewer", "role": "viewer"}])
    page = new_page()
    sign_in(page, hookline, hookline.token("viewer"))
    open_page(page, group.url("webhooks"), "Webhooks")
    expect(page.get_by_role("link", name="Pipeline")).to_be_visible()
    for name in ["New webhook", "Actions for Pipeline"]:
        expect(page.get_by_role("button", name=name)).to_have_count(0)
        expect(page.get_by_role("link", name=name)).to_have_count(0)
    expect(page.get_by_role("checkbox")).to_have_count(0)
    open_page(page, f"{hookline.console}#/webhook/{webhook['id']}", "Pipeline")
    for name in ["Test", "Disable", "Show", "Retry all failed"]:
        expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)
    assert "s3cret" not in page.content()
    page.goto(f"{hookline.console}#/webhook/{webhook['id']}/edit")
    expect(page.get_by_role("alert")).to_contain_text("role editor")
    open_page(page, group.url("things"), "Things")
    expect(page.get_by_role("switch", name="webhook of Sensors")).to_be_disabled()


def test_a_place_that_is_not_there_says_so(page, hookline, watch):
    watch.expects(404)
    page.goto(f"{hookline.console}#/webhook/00000000-0000-4000-8000-000000000000")
    expect(page.get_by_role("heading", level=1, name="Not found")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("webhook not found")
