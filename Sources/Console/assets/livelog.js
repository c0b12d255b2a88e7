// A log that grows while it is open.

import { follow } from "./api.js";
import { h } from "./dom.js";
import { pauseButton } from "./ui.js";

/** What tells one line of a log from all others. */
export const keyOf = (entry) => `${entry.trigger_id} ${entry.status} ${entry.attempt}`;

/** So many lines are held; the oldest go. */
const mostHeld = 500;

/**
 * The lines that are shown, brought up to what a live log says: `since` then there are no others than its own.
 *
 * `holds` says of a line that is gone that it stays for now. `isBroken` is whether there are some that were never shown.
 */
export function merged(shown, { since, log }, holds) {
  const keys = new Set(log.map(keyOf));
  const isBroken = shown.length > 0 && since > shown[0].date;
  const rest = shown.filter((entry) => !keys.has(keyOf(entry)) && ((entry.date < since && !isBroken) || holds(entry)));
  // Of the same time those that are new come first, as they came.
  const entries = [...log, ...rest].sort((one, other) => other.date - one.date).slice(0, mostHeld);
  return { entries, isBroken };
}

/** Rows of entries, each made once for as long as it is shown. The second of an entry is its detail. */
export function keptRows(make) {
  let known = new Map();
  let next = new Map();
  return {
    of(entry) {
      const key = `${keyOf(entry)} ${entry.due_at}`;
      const rows = known.get(key) ?? next.get(key) ?? make(entry);
      next.set(key, rows);
      return rows;
    },
    isOpen: (entry) => known.get(`${keyOf(entry)} ${entry.due_at}`)?.[1].hidden === false,
    clear() {
      known = new Map();
    },
    /** Forgets those that were not asked for since the last time. */
    forget() {
      [known, next] = [next, new Map()];
    },
  };
}

/** Puts rows in a table. Those that stay are left alone, and what is being read stays where it is on the screen. */
export function setRows(body, rows) {
  const wanted = new Set(rows);
  const isRead = body.getBoundingClientRect().top < 0;
  // One that is not shown is nowhere.
  const read = isRead && [...body.children].find((row) => wanted.has(row) && row.getBoundingClientRect().bottom > 0);
  const before = read && read.getBoundingClientRect().top;
  for (const row of [...body.children]) if (!wanted.has(row)) row.remove();
  let place = body.firstElementChild;
  for (const row of rows) {
    if (row === place) place = place.nextElementSibling;
    else body.insertBefore(row, place);
  }
  if (read) scrollBy(0, read.getBoundingClientRect().top - before);
}

/**
 * Follows a log while its page is open, unless the reader pauses it or looks elsewhere. `take` is told of what is new.
 *
 * What is shown may be nothing that grows, such as a later page: then `at(undefined)`.
 */
export function growth(signal, take) {
  const state = h("span", { class: "badge", role: "status" });
  let [path, isPaused, running] = [undefined, false, undefined];
  const say = (kind, text) => {
    state.className = `badge ${kind}`;
    if (state.textContent !== text) state.textContent = text;
  };
  const button = pauseButton((now) => {
    isPaused = now;
    begin();
  });
  const element = h("span", { class: "row tight", hidden: true }, state, button);
  const begin = () => {
    running?.abort();
    running = undefined;
    element.hidden = path === undefined;
    if (isPaused) return say("", "Paused");
    if (path === undefined || document.hidden || signal.aborted) return;
    say("", "Connecting");
    const own = running = new AbortController();
    follow(path, AbortSignal.any([signal, own.signal]), ({ event, data }) => {
      if (own.signal.aborted) return;
      if (event === "unavailable") say("bad", data.error);
      if (event !== "log") return;
      say("good", take(data) ? "Live; more comes than is shown" : "Live");
    });
  };
  document.addEventListener("visibilitychange", begin, { signal });
  return {
    element,
    at(next) {
      if (next === path && running) return;
      path = next;
      begin();
    },
  };
}
