"""Times in the zone of choice, and things by when they were seen."""

import datetime
import re
import zoneinfo

from conftest import open_page, picture, sign_in, until
from playwright.sync_api import expect


def test_times_are_those_of_the_zone_of_choice(new_page, hookline, group):
    webhook = group.webhook("Pipeline")
    group.publish("1")
    until(lambda: group.api.get(f"/webhooks/{webhook['id']}/log?status=ok")["total"] == 1, "the log")
    date = group.api.get(f"/webhooks/{webhook['id']}/log")["log"][0]["date"]
    page = new_page(timezone_id="America/New_York")
    sign_in(page, hookline, group.token)
    open_page(page, group.url("log"), "Log")
    shown = page.get_by_role("table", name="Log").locator("time").first
    since = page.get_by_label("From", exact=True)

    def text(zone):
        moment = datetime.datetime.fromtimestamp(date // 1000, zoneinfo.ZoneInfo(zone))
        return f"{moment:%Y-%m-%d %H:%M:%S}.{date % 1000:03}"

    expect(shown).to_have_text(text("America/New_York"))
    choice = page.get_by_label("Time zone")
    # All there is follows at once, what is typed in too: it is the same time.
    since.fill(f"{text('America/New_York')[:16].replace(' ', 'T')}")
    choice.focus()
    for zone in ["UTC", "Asia/Tehran", "Australia/Lord_Howe"]:
        choice.select_option(zone)
        expect(shown).to_have_text(text(zone))
        expect(since).to_have_value(re.compile(text(zone)[:16].replace(" ", "T")))
        expect(choice).to_be_focused()
    page.reload()
    expect(page.get_by_label("Time zone")).to_have_value("Australia/Lord_Howe")
    expect(shown).to_have_text(text("Australia/Lord_Howe"))
    picture(page, "log-zone")
    # What is not known any more is as good as none.
    page.evaluate("localStorage.setItem('hookline.zone', 'Mars/Olympus')")
    page.reload()
    expect(page.get_by_label("Time zone")).to_have_value("")
    expect(shown).to_have_text(text("America/New_York"))
    # Where clocks are changed, too: what is asked for is what the zone says it is.
    instants = page.evaluate(
        """async () => {
          const { chooseZone, clockText, clockTime } = await import("./format.js");
          chooseZone("Europe/Berlin");
          return ["2026-03-29T01:30", "2026-03-29T03:30", "2026-10-25T01:30", "2026-10-25T03:30"]
            .map((text) => [new Date(clockTime(text)).toISOString().slice(0, 16), clockText(clockTime(text)).slice(0, 16)]);
        }"""
    )
    assert [utc for utc, _ in instants] == [
        "2026-03-29T00:30",
        "2026-03-29T01:30",
        "2026-10-24T23:30",
        "2026-10-25T02:30",
    ]
    assert [wall for _, wall in instants] == [
        "2026-03-29T01:30",
        "2026-03-29T03:30",
        "2026-10-25T01:30",
        "2026-10-25T03:30",
    ]


def test_what_is_due_in_a_moment_is_told_on_until_it_is_past(page):
    first = page.evaluate(
        """async () => {
          const { soon } = await import("./ui.js");
          const element = soon(Date.now() + 1500);
          element.id = "due";
          document.body.append(element);
          return element.textContent;
        }"""
    )
    assert first == "in a moment"
    expect(page.locator("#due")).to_have_text(re.compile("^(now|.* ago)$"))


def test_things_are_sorted_by_name_and_by_when_they_were_seen(page, group):
    things = [{"name": name, "profile_id": group.profile} for name in ["Annex", "Cellar"]]
    annex, _ = (thing["id"] for thing in group.api.post(f"/groups/{group.id}/things", things))
    group.publish("1")
    until(
        lambda: "last_seen_at" in group.api.get(f"/things/{group.thing}"),
        "the boiler to be seen",
    )
    group.hookline.publish(annex, "2")
    until(
        lambda: "last_seen_at" in group.api.get(f"/things/{annex}"),
        "the annex to be seen",
    )
    open_page(page, group.url("things"), "Things")
    names = page.get_by_role("table", name="Things", exact=True).locator("a.name")
    expect(names).to_have_text(["Annex", "Boiler", "Cellar"])
    expect(page.get_by_role("row", name=re.compile("Cellar"))).to_contain_text("never")
    page.get_by_role("button", name="Last seen").click()
    expect(names).to_have_text(["Annex", "Boiler"])
    expect(page.get_by_text("Those that were never heard of are not among them.")).to_be_visible()
    picture(page, "things-seen")
    page.get_by_role("button", name="Last seen").click()
    expect(names).to_have_text(["Boiler", "Annex"])
    page.get_by_role("table", name="Things", exact=True).get_by_role("button", name="Name").click()
    expect(names).to_have_text(["Cellar", "Boiler", "Annex"])
    # Its own page says it too.
    for thing, seen in [("Cellar", "never"), ("Boiler", re.compile("ago|now"))]:
        names.filter(has_text=thing).click()
        expect(page.get_by_role("heading", level=1, name=thing)).to_be_visible()
        expect(page.locator("dt", has_text="Last seen").locator("xpath=following-sibling::dd[1]")).to_have_text(seen)
        page.go_back()
