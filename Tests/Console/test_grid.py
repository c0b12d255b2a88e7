"""A grid over every page: nothing to press or to read lies on something else, and every select shows what is chosen."""

import pytest
from conftest import open_page, picture, sign_in
from playwright.sync_api import expect
from test_quality import dialogs, fill, pages, settle, sign_in_on_phone

FAULTS = """() => {
  // What lies below a dialog can be neither read nor pressed.
  const place = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document;
  const isShown = (element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest(".skip, .hidden");
  // What can be seen of it: as far as nothing around it cuts it off.
  const seen = (element, rect) => {
    let [left, top, right, bottom] = [rect.left, rect.top, rect.right, rect.bottom];
    for (let around = element.parentElement; around; around = around.parentElement) {
      if (getComputedStyle(around).overflowX === "visible" || around === document.documentElement) continue;
      const box = around.getBoundingClientRect();
      [left, top] = [Math.max(left, box.left), Math.max(top, box.top)];
      [right, bottom] = [Math.min(right, box.right), Math.min(bottom, box.bottom)];
    }
    return { left, top, right, bottom };
  };
  const controls = "a[href], button, input, select, textarea, summary";
  const texts = ".name, h1, h2, h3, .badge, td code, .field > label";
  const parts = [...place.querySelectorAll(`${controls}, ${texts}`)].filter(isShown).flatMap((element) => {
    const range = document.createRange();
    range.selectNodeContents(element);
    const isControl = element.matches(controls);
    const rects = isControl && !element.matches("a") ? [element.getBoundingClientRect()] : [...range.getClientRects()];
    return rects.map((rect) => ({ element, isControl, rect: seen(element, rect) }))
      .filter(({ rect }) => rect.right - rect.left > 2 && rect.bottom - rect.top > 2);
  });
  const name = (element) =>
    `${element.tagName} ${element.getAttribute("aria-label") ?? element.textContent.trim().slice(0, 40)}`;
  const faults = new Set();
  for (const [index, one] of parts.entries()) {
    for (const other of parts.slice(index + 1)) {
      if (!one.isControl && !other.isControl) continue;
      if (one.element.contains(other.element) || other.element.contains(one.element)) continue;
      const width = Math.min(one.rect.right, other.rect.right) - Math.max(one.rect.left, other.rect.left);
      const height = Math.min(one.rect.bottom, other.rect.bottom) - Math.max(one.rect.top, other.rect.top);
      // A pixel or two are the rounding of a line's height.
      if (width > 2 && height > 3) faults.add(`${name(one.element)} lies on ${name(other.element)}`);
    }
  }
  const pen = document.createElement("canvas").getContext("2d");
  for (const select of [...place.querySelectorAll("select:not([multiple])")].filter(isShown)) {
    const style = getComputedStyle(select);
    pen.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    const needed = pen.measureText(select.selectedOptions[0]?.textContent ?? "").width;
    // Its arrow takes some twenty pixels.
    const room = select.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - 16;
    if (needed > room + 1) faults.add(`${name(select)} shows ${Math.round(room)} of ${Math.round(needed)} pixels`);
  }
  for (const control of [...place.querySelectorAll(controls)].filter(isShown)) {
    const { left, right } = control.getBoundingClientRect();
    const isScrolled = control.closest(".scroll, pre, .tail");
    if (!isScrolled && (left < -1 || right > innerWidth + 1)) faults.add(`${name(control)} is off the screen`);
  }
  return [...faults];
}"""


@pytest.mark.parametrize("width", [390, 768, 1440])
def test_nothing_lies_on_anything_else(new_page, hookline, group, width):
    webhook, source = fill(group)
    group.webhook("A webhook whose name is about as long as the names that people give to them")
    for member, role in [("a-viewer", "viewer"), ("somebody@example.com with a long name", "admin")]:
        group.api.put(f"/groups/{group.id}/members", [{"member_id": member, "role": role}])
    page = new_page(viewport={"width": width, "height": 900})
    signs_in = sign_in_on_phone if width <= 768 else sign_in
    faults = []

    def look(page, title):
        faults.extend(f"{title}: {fault}" for fault in page.evaluate(FAULTS))
        picture(page, f"{title.lower().replace(' ', '-')}-{width}")

    page.goto(hookline.console)
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    look(page, "Sign in")
    signs_in(page, hookline, group.token)
    for url, title in pages(group, webhook, source):
        open_page(page, url, title)
        settle(page)
        for summary in page.locator("summary").all():
            if summary.is_visible():
                summary.click()
        look(page, title)
    for name in dialogs(page, group, webhook):
        look(page, name)
    root = new_page(viewport={"width": width, "height": 900})
    signs_in(root, hookline, hookline.env["TOKEN"])
    open_page(root, group.url("broker"), "Broker")
    settle(root)
    look(root, "Broker before it listens")
    assert faults == []


def test_what_many_are_done_to_with_stays_in_sight(page, group):
    for n in range(40):
        group.webhook(f"Webhook {n:02}")
    open_page(page, group.url("webhooks"), "Webhooks")
    page.get_by_label("Select Webhook 39").check()
    expect(page.get_by_role("button", name="Disable", exact=True)).to_be_in_viewport()
