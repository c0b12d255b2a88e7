"""Signing in at an OpenID provider, which is a program of its own with pages of its own."""

import base64
import contextlib
import hashlib
import os
import socket
import subprocess
import sys
import urllib.parse
import urllib.request

import pytest
from conftest import API, Hookline, open_page, picture, until
from playwright.sync_api import expect


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Provider:
    """A running oidc-provider-mock, where everybody may be whoever they like."""

    def __init__(self, folder):
        self.port = free_port()
        self.issuer = f"http://localhost:{self.port}"
        command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(self.port), "--require-nonce"]
        with open(folder / "provider.log", "w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        until(self.is_up, "the identity provider")

    def is_up(self):
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(f"{self.issuer}/jwks", timeout=10).status == 200
        return False

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    provider = Provider(tmp_path_factory.mktemp("provider"))
    yield provider
    provider.stop()


@pytest.fixture(scope="module")
def hookline(tmp_path_factory, provider):
    settings = {
        "AUTH_OIDC_ISSUER": provider.issuer,
        # It gives no access tokens that could be read.
        "AUTH_AUDIENCE": "console",
        "AUTH_CLIENT_ID": "console",
        # This provider has no clients without one.
        "AUTH_CLIENT_SECRET": "any",
        "AUTH_SCOPES": "openid profile",
        "AUTH_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
    }
    os.environ.update(settings)
    hookline = Hookline(tmp_path_factory.mktemp("hookline"))
    for name in settings:
        del os.environ[name]
    yield hookline
    hookline.stop()


@pytest.fixture
def user(hookline):
    """Who is in a group of their own."""
    root = hookline.root
    group = root.post("/groups", [{"name": "Plant"}])[0]["id"]
    root.put(f"/groups/{group}/members", [{"member_id": "alice", "role": "owner"}])
    config = {"content_type": "application/json", "webhook": True}
    profile = root.post(f"/groups/{group}/profiles", [{"name": "Sensors", "config": config}])[0]["id"]
    root.post(f"/groups/{group}/things", [{"name": "Boiler", "profile_id": profile}])
    yield group
    root.call("DELETE", f"/groups/{group}")


@pytest.fixture
def page(user, new_page, watch, provider):
    watch.others += [provider.issuer, "https://cdn.jsdelivr.net"]
    page = new_page()
    # How its pages look is somebody else's, and not asked for.
    page.context.route("https://cdn.jsdelivr.net/**", lambda route: route.fulfill(body="", content_type="text/css"))
    return page


def be(page, user):
    """What one does at the provider."""
    page.get_by_placeholder("sub").fill(user)
    page.get_by_role("button", name="Authorize").click()


def sign_in(page, hookline, user="alice"):
    page.goto(hookline.console)
    page.get_by_role("button", name="Sign in").click()
    be(page, user)
    expect(page.get_by_text(f"Signed in as {user}")).to_be_visible()


def test_one_signs_in_at_the_provider_stays_for_a_reload_and_signs_out_there_too(page, hookline, user, provider):
    page.goto(hookline.console)
    expect(page.get_by_text(f"You sign in at localhost:{provider.port}.")).to_be_visible()
    picture(page, "sign-in-provider")
    sign_in(page, hookline)
    # What came with the address is in it no more, and nothing outlives the tab.
    assert "code=" not in page.url and "state=" not in page.url
    assert page.context.cookies(hookline.base) == [] and page.evaluate("localStorage.length") == 0
    page.reload()
    expect(page.get_by_text("Signed in as alice")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="End Session")).to_be_visible()
    page.get_by_role("button", name="End session").click()
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()


def test_the_code_is_bound_to_the_tab_that_asked_for_it(page, hookline, user):
    asked = []
    page.on("request", lambda request: asked.append(request))
    sign_in(page, hookline)
    [authorization] = [each for each in asked if "/oauth2/authorize?" in each.url and each.method == "GET"]
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(authorization.url).query))
    [exchange] = [each.post_data_json for each in asked if each.url.endswith("/auth/token")]
    digest = hashlib.sha256(exchange["code_verifier"].encode()).digest()
    assert query["code_challenge_method"] == "S256"
    assert query["code_challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert query["nonce"] == exchange["nonce"]
    assert len({query["state"], query["nonce"], exchange["code_verifier"]}) == 3
    # What the tab needed for it is gone.
    assert page.evaluate("sessionStorage.getItem('hookline.signing-in')") is None


def test_one_comes_back_to_the_page_that_was_asked_for(page, hookline, user):
    page.goto(f"{hookline.console}#/{user}/things")
    page.get_by_role("button", name="Sign in").click()
    be(page, "alice")
    expect(page.get_by_role("heading", level=1, name="Things")).to_be_visible()


def test_who_does_not_sign_in_at_the_provider_is_told(page, hookline):
    page.goto(hookline.console)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("alert")).to_contain_text("The identity provider did not sign you in.")
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()


def test_a_link_of_somebody_else_signs_nobody_in(page, hookline):
    page.goto(f"{hookline.console}?code=stolen&state=made-up")
    expect(page.get_by_role("heading", name="You can close this window")).to_be_visible()
    page.get_by_role("link", name="open Hookline here").click()
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    assert page.evaluate("sessionStorage.getItem('hookline.token')") is None


def refuse_once(page, path):
    """The next call is refused as if the token had ended, and those with it are as ever."""
    token = page.evaluate("sessionStorage.getItem('hookline.token')")

    def refuse(route):
        if route.request.headers.get("authorization") == f"Bearer {token}":
            return route.fulfill(status=401, json={"error": "a valid bearer token is required: this one has ended"})
        return route.continue_()

    page.route(path, refuse)


def fill_in(page, hookline, group, name):
    open_page(page, f"{hookline.console}#/{group}/webhooks/new", "New webhook")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Url", exact=True).fill(hookline.receiver)


def webhooks(hookline, group):
    return [each["name"] for each in hookline.root.get(f"/groups/{group}/webhooks")["webhooks"]]


def test_a_session_is_renewed_by_its_refresh_token_without_anybody_noticing(page, hookline, user, watch):
    watch.expects(401)
    sign_in(page, hookline)
    fill_in(page, hookline, user, "Renewed")
    # This provider gives nothing for a refresh token that could be read here.
    renewed = hookline.token("alice")

    def renew(route):
        assert list(route.request.post_data_json) == ["refresh_token"]
        route.fulfill(json={"token": renewed, "user_id": "alice"})

    page.route("**/auth/token", renew)
    refuse_once(page, f"**/groups/{user}/webhooks")
    page.get_by_role("button", name="Create webhook").click()
    expect(page.get_by_text("“Renewed” created")).to_be_visible()
    assert webhooks(hookline, user) == ["Renewed"]
    assert page.evaluate("sessionStorage.getItem('hookline.token')") == renewed


def test_a_session_that_ends_while_a_form_is_open_goes_on_where_it_was(page, hookline, user, watch):
    watch.expects(401, 409)
    sign_in(page, hookline)
    fill_in(page, hookline, user, "Kept")
    # The provider writes whole seconds into a token, and the next one has to be another.
    page.wait_for_timeout(1_100)
    refuse_once(page, f"**/groups/{user}/webhooks")
    page.get_by_role("button", name="Create webhook").click()
    dialog = page.get_by_role("dialog", name="Your session has ended")
    expect(dialog).to_be_visible()
    picture(page, "session-ended")
    with page.expect_popup() as window:
        dialog.get_by_role("button", name="Sign in again").click()
    be(window.value, "alice")
    expect(dialog).to_have_count(0)
    expect(page.get_by_text("“Kept” created")).to_be_visible()
    assert webhooks(hookline, user) == ["Kept"]


def test_a_token_of_the_installation_s_own_can_still_be_pasted(page, hookline):
    page.goto(hookline.console)
    page.get_by_text("Sign in with a token").click()
    page.get_by_label("Token", exact=True).fill(hookline.token("operator"))
    page.locator("form").get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Signed in as operator")).to_be_visible()
    assert API(hookline.base, hookline.token("operator")).get("/me")["user_id"] == "operator"
