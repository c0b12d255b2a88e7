"""The console in a real browser, against `hookline dev`.

Every test has a user and a group of its own, and fails if the page said something on the browser's console, or asked
anybody but Hookline for anything.
"""

import json
import os
import pathlib
import subprocess
import time
import urllib.error
import urllib.request
import uuid

import pytest
from playwright.sync_api import expect, sync_playwright

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / ".build/debug/hookline"
SCREENSHOTS = ROOT / ".build/console"

# How long anything is waited for that has to come, in seconds: the machine may be busy with other things, and no test is about how
# long it takes.
PATIENCE = 120
expect.set_options(timeout=PATIENCE * 1_000)

WATCH = pytest.StashKey()


class Refused(Exception):
    def __init__(self, status, text):
        super().__init__(f"{status} {text}")
        self.status = status


class API:
    """Calls the API as one user."""

    def __init__(self, base, token):
        self.base = base
        self.token = token

    def call(self, method, path, body=None):
        text = self.text(method, path, None if body is None else json.dumps(body))
        return json.loads(text) if text else None

    def text(self, method, path, body=None):
        """The same with JSON as it is written."""
        request = urllib.request.Request(
            self.base + path,
            method=method,
            data=None if body is None else body.encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                return response.read().decode()
        except urllib.error.HTTPError as error:
            raise Refused(error.code, error.read().decode()) from None

    def get(self, path):
        return self.call("GET", path)

    def post(self, path, body):
        return self.call("POST", path, body)

    def put(self, path, body):
        return self.call("PUT", path, body)


class Hookline:
    """A running `hookline dev`."""

    def __init__(self, folder):
        self.folder = folder
        with open(folder / "log", "w") as log:
            self.process = subprocess.Popen([BINARY, "dev", "--folder", folder / "dev"], stdout=log, stderr=log)
        until(lambda: "Ctrl-C ends everything" in (folder / "log").read_text(), "hookline dev")
        lines = (folder / "dev/env").read_text().splitlines()
        self.env = dict(line.split("=", 1) for line in lines if "=" in line)
        self.base = self.env["HOOKLINE_API"]
        self.console = self.base + "/console/"
        self.receiver = self.env["HOOKLINE_RECEIVER"]
        self.root = API(self.base, self.env["TOKEN"])

    def log(self):
        return (self.folder / "log").read_text().splitlines(keepends=True)

    def token(self, user, expires="1h"):
        return subprocess.check_output(
            [BINARY, "token", "--user", user, "--expires", expires],
            env={**os.environ, "AUTH_JWT_SECRET_FILE": str(self.folder / "dev/jwt_secret")},
            text=True,
        ).strip()

    def publish(self, thing, payload, subtopic=""):
        self.publish_on(f"things/{thing}/messages" + (f"/{subtopic}" if subtopic else ""), payload)

    def publish_on(self, topic, payload, *more):
        port = self.env["HOOKLINE_MQTT_PORT"]
        subprocess.check_call(["mosquitto_pub", "-p", port, "-q", "1", "-t", topic, "-m", payload, *more])

    def stop(self):
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0


class Group:
    """A group of a user's own, with a profile and a thing."""

    def __init__(self, hookline):
        self.hookline = hookline
        self.user = f"user-{uuid.uuid4().hex[:8]}"
        self.token = hookline.token(self.user)
        self.api = API(hookline.base, self.token)
        self.name = f"Group {self.user[-8:]}"
        self.id = self.api.post("/groups", [{"name": self.name}])[0]["id"]
        config = {"content_type": "application/json", "webhook": True, "write": True}
        self.profile = self.api.post(f"/groups/{self.id}/profiles", [{"name": "Sensors", "config": config}])[0]["id"]
        self.thing = self.api.post(f"/groups/{self.id}/things", [{"name": "Boiler", "profile_id": self.profile}])[0][
            "id"
        ]

    def webhook(self, name="Pipeline", **fields):
        draft = {"name": name, "url": self.hookline.receiver, **fields}
        return self.api.post(f"/groups/{self.id}/webhooks", [draft])[0]

    def publish(self, payload, subtopic=""):
        self.hookline.publish(self.thing, payload, subtopic)

    def failing_webhook(self):
        """One that nothing listens for: a few were tried, and many wait."""
        bad = self.webhook("Bad", url="http://127.0.0.1:9/", failure_limit=0, retry_schedule=[3600])
        for n in range(30):
            self.publish(f'{{"t":{n}}}')
        until(lambda: self.api.get(f"/webhooks/{bad['id']}")["health"].get("breaker") == "open", "the breaker")
        return bad

    def url(self, section):
        return f"{self.hookline.console}#/{self.id}/{section}"

    def attempts(self, webhook):
        return self.api.get(f"/webhooks/{webhook['id']}")["attempts"]


def expect_failures_first(page, shot):
    """A log says first what went wrong, and has what waits behind a button."""
    log = page.get_by_role("table", name="Log")
    expect(log.get_by_text("What went wrong last")).to_be_visible()
    expect(log.get_by_role("row").nth(2)).to_contain_text("Failed")
    expect(log.get_by_role("columnheader", name="Next attempt")).to_be_visible()
    # A probe that failed meanwhile may stand between them.
    more = log.get_by_role("button", name="more that wait").first
    expect(more).to_be_visible()
    waiting = log.get_by_text("Waiting", exact=True).filter(visible=True)
    before = waiting.count()
    expect(log.get_by_role("row").filter(has_text="Waiting").first.locator("time")).to_have_count(2)
    picture(page, shot)
    more.click()
    assert waiting.count() > before


def until(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.1)


@pytest.fixture(scope="session")
def hookline(tmp_path_factory):
    hookline = Hookline(tmp_path_factory.mktemp("hookline"))
    yield hookline
    hookline.stop()


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        # There is no sandbox within a sandbox.
        # Without a graphics card the second way of painting is the shorter.
        args = ["--no-sandbox", "--disable-gpu", "--disable-gpu-rasterization"]
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium-headless-shell", args=args)
        yield browser
        browser.close()


@pytest.fixture
def group(hookline):
    return Group(hookline)


class Watch:
    """What a page said and asked for."""

    def __init__(self, hookline):
        self.hookline = hookline
        self.faults = []
        self.requests = []
        self.unanswered = []
        self.expected = set()
        # Who else may be asked, by whole pages.
        self.others = []

    def look_at(self, page):
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("console", self.heard)
        page.on("request", self.asked)
        page.on("requestfinished", self.ended)
        page.on("requestfailed", self.ended)

    def heard(self, message):
        # A browser says of itself that an answer was a refusal; where the test is about one, that is no fault.
        refusal = next((s for s in self.expected if f"status of {s}" in message.text), None)
        if message.type in ("error", "warning") and refusal is None:
            self.faults.append(f"{message.type}: {message.text} ({message.location})")

    def asked(self, request):
        self.requests.append(request)
        self.unanswered.append(request)
        places = [self.hookline.base, *self.others]
        if not any(request.url.startswith(place + "/") for place in places):
            self.faults.append(f"a request to {request.url}")

    def ended(self, request):
        if request in self.unanswered:
            self.unanswered.remove(request)

    def expects(self, *statuses):
        self.expected |= set(statuses)


@pytest.fixture
def watch(request, hookline):
    watch = request.node.stash[WATCH] = Watch(hookline)
    yield watch
    assert watch.faults == []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """What was waited for in vain may be an answer that never came, or a page that did not ask."""
    report = yield
    if report.failed and WATCH in item.stash:
        watch = item.stash[WATCH]
        last = [f"{each.method} {each.url}" for each in watch.requests[-5:]]
        without = [f"{each.method} {each.url}" for each in watch.unanswered]
        report.sections.append(("The page asked last", "\n".join(last)))
        report.sections.append(("Without an answer", "\n".join(without)))
        report.sections.append(("The end of Hookline's log", "".join(watch.hookline.log()[-20:])))
    return report


@pytest.fixture
def new_page(browser, watch):
    contexts = []

    def make(**options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 860}, **options})
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE * 1_000)
        watch.look_at(page)
        return page

    yield make
    for context in contexts:
        context.close()


def sign_in(page, hookline, token):
    page.goto(hookline.console)
    page.get_by_label("Token", exact=True).fill(token)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").wait_for()


@pytest.fixture
def page(new_page, hookline, group):
    """Signed in as the group's owner."""
    page = new_page()
    sign_in(page, hookline, group.token)
    return page


def open_page(page, url, title):
    # To go where one is changes nothing: what was read before stays.
    if page.url == url:
        page.reload()
    else:
        page.goto(url)
    expect(page.get_by_role("heading", level=1, name=title)).to_be_visible()


def choose(place, label, text, name=None):
    """Looks for something in a field that is chosen by a search, and takes it."""
    box = place.get_by_role("combobox", name=label, exact=True)
    box.click()
    box.fill(text)
    place.get_by_role("listbox", name="Found").get_by_role("option", name=name or text).click()
    box.press("Escape")


def picture(page, name, full_page=True):
    """For who looks at them (`make test-console`): a picture takes as long as a page."""
    if "PICTURES" not in os.environ:
        return
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=full_page)
