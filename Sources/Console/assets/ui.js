// The small parts that pages are made of.

import { h, icon, replace } from "./dom.js";
import { forms, fullTime } from "./format.js";

// Short messages

export function toast(text, kind = "") {
  const element = h("div", { class: `toast ${kind}` }, text);
  document.getElementById("toasts").append(element);
  setTimeout(() => element.remove(), kind === "bad" ? 9000 : 4000);
}

/** Does something for a button: it cannot be pressed twice, and what went wrong is said. */
export async function busy(button, work) {
  const hadFocus = document.activeElement === button;
  button.disabled = true;
  try {
    return await work();
  } catch (error) {
    if (error.name !== "AbortError") toast(error.message, "bad");
    return undefined;
  } finally {
    button.disabled = false;
    if (hadFocus && button.isConnected && document.activeElement === document.body) button.focus();
  }
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without TLS a page may not write to the clipboard, unless it is on this machine.
    const area = h("textarea", { class: "hidden", "aria-hidden": "true", value: text });
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  toast("Copied");
}

export const copyButton = (text, what) =>
  h("button", {
    type: "button",
    class: "quiet icon-only",
    title: `Copy ${what}`,
    "aria-label": `Copy ${what}`,
    onclick: () => copy(text),
  }, icon("copy"));

/** A text of several lines that is read, with a button that copies it, or what it stands for. */
export const copyable = (label, text, what, copied = text) =>
  h("div", { class: "command" }, h("pre", { tabindex: "0", "aria-label": label }, text), copyButton(copied, what));

/** A button that holds up what goes on, and lets it go on; `change(isPaused)` does it. */
export function pauseButton(change) {
  let isPaused = false;
  const button = h("button", {
    type: "button",
    "aria-pressed": "false",
    onclick: () => {
      isPaused = !isPaused;
      button.setAttribute("aria-pressed", String(isPaused));
      button.textContent = isPaused ? "Go on" : "Pause";
      change(isPaused);
    },
  }, "Pause");
  return button;
}

/** A line for the terminal. */
export const command = (text) => copyable("Command", text, "the command");

export const empty = (title, text, ...more) =>
  h("div", { class: "empty" }, h("h2", {}, title), h("p", { class: "muted" }, text), more);

export const loading = () => h("p", { class: "loading", role: "status" }, "Loading …");

export const failure = (error, again) =>
  h(
    "div",
    { class: "note bad", role: "alert" },
    h("span", { class: "grow" }, error.message),
    again && h("button", { type: "button", onclick: again }, "Try again"),
  );

/** What fills places now. @type {WeakMap<Element, AbortController>} */
const fillings = new WeakMap();

/**
 * Does what fills a place, until something else is to fill it: an answer that comes late is of something that nobody wants to see
 * any more. What went wrong is said there, with a button that tries it again.
 *
 * @param {Element} place
 * @param {AbortSignal} signal until when the page is there
 * @param {(signal: AbortSignal) => any} work
 */
export async function attempt(place, signal, work) {
  fillings.get(place)?.abort();
  const filling = new AbortController();
  fillings.set(place, filling);
  try {
    await work(AbortSignal.any([signal, filling.signal]));
  } catch (error) {
    if (error.name === "AbortError" || filling.signal.aborted) return;
    replace(place, failure(error, () => attempt(place, signal, work)));
  }
}

/** Shows what a promise brings in the place of a word that it is loading, and what went wrong in its own words. */
export function later(promise, show) {
  const place = h("div", { class: "stack" }, loading());
  promise.then((value) => replace(place, show(value))).catch((error) => {
    if (error.name !== "AbortError") replace(place, failure(error));
  });
  return place;
}

// Words with a meaning

/**
 * A time in one of its forms (`format.js`). It stays right as time goes on, and when another zone is chosen.
 *
 * @param {number} milliseconds
 * @param {keyof typeof forms} form
 */
export const timeOf = (milliseconds, form = "exact", more = {}) =>
  h(
    "time",
    { ...more, datetime: new Date(milliseconds).toISOString(), title: fullTime(milliseconds), "data-form": form },
    forms[form](milliseconds),
  );

/** @param {(element: HTMLTimeElement) => boolean} isMeant */
function showTimes(isMeant) {
  /** @type {NodeListOf<HTMLTimeElement>} */
  const times = document.querySelectorAll("time[data-form]");
  for (const element of times) {
    if (!isMeant(element)) continue;
    const milliseconds = Date.parse(element.dateTime);
    const text = forms[element.dataset.form](milliseconds);
    if (element.textContent !== text) element.textContent = text;
    element.title = fullTime(milliseconds);
  }
}

addEventListener("zone-changed", () => showTimes(() => true));
setInterval(() => document.hidden || showTimes((element) => element.dataset.form === "ago"), 5000);
setInterval(() => document.hidden || showTimes((element) => element.dataset.form === "soon"), 1000);

export const moment = (milliseconds, none = "never") =>
  milliseconds ? timeOf(milliseconds, "ago") : h("span", { class: "muted" }, none);

/** A time ahead, until it is past and beyond. */
export const soon = (milliseconds) => timeOf(milliseconds, "soon");

/** - Parameter health: as the API has it, if it is known. */
export const statusBadge = (status, health) => {
  if (status === "ENABLED" && health?.state === "failing") return h("span", { class: "badge bad" }, "Failing");
  return h(
    "span",
    { class: `badge ${{ ENABLED: "good", DISABLED_DUE_TO_ERRORS: "bad", UNREADABLE: "bad" }[status] ?? ""}` },
    {
      ENABLED: "Enabled",
      DISABLED: "Disabled",
      DISABLED_DUE_TO_ERRORS: "Disabled: errors",
      UNREADABLE: "Unreadable",
    }[status] ?? status,
  );
};

export const identity = (id, what = "id") =>
  h("span", { class: "row tight" }, h("code", { class: "break" }, id), copyButton(id, what));

export const facts = (...pairs) =>
  h("dl", { class: "facts" }, pairs.filter(Boolean).map(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));

/**
 * The head of a page. Its heading takes the focus when the page is opened.
 *
 * @param {{title: string, crumbs?: string[], badge?: Node, actions?: any}} parts `crumbs` is where it leads back to: what
 * is there, and the address.
 */
export const head = ({ title, crumbs, badge, actions }) =>
  h(
    "header",
    { class: "head" },
    h(
      "div",
      { class: "grow" },
      crumbs && h("nav", { class: "crumbs", "aria-label": "Breadcrumb" }, h("a", { href: crumbs[1] }, crumbs[0])),
      h("div", { class: "row" }, h("h1", { tabindex: "-1" }, title), badge),
    ),
    actions && h("div", { class: "row" }, actions),
  );
