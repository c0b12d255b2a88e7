// The parts that pages are made of.

import { h, icon, replace, s, uniqueID } from "./dom.js";
import { ago, dateTime, number } from "./format.js";

// Short messages

export function toast(text, kind = "") {
  const element = h("div", { class: `toast ${kind}` }, text);
  document.getElementById("toasts").append(element);
  setTimeout(() => element.remove(), kind === "bad" ? 9000 : 4000);
}

/** Does something for a button: it cannot be pressed twice, and what went wrong is said. */
export async function busy(button, work) {
  button.disabled = true;
  try {
    return await work();
  } catch (error) {
    if (error.name !== "AbortError") toast(error.message, "bad");
    return undefined;
  } finally {
    button.disabled = false;
  }
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without TLS a page may not write to the clipboard, unless it is on this machine.
    const area = h("textarea", { class: "hidden", "aria-hidden": "true", value: text });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  toast("Copied");
}

export const copyButton = (text, what) => h("button", {
  type: "button", class: "quiet icon-only", title: `Copy ${what}`, "aria-label": `Copy ${what}`, onclick: () => copy(text),
}, icon("copy"));

/** A line for the terminal, with a button that copies it. */
export const command = (text) => h("div", { class: "command" },
  h("pre", { tabindex: "0", "aria-label": "Command" }, text), copyButton(text, "the command"));

export const empty = (title, text, ...more) => h("div", { class: "empty" }, h("h2", {}, title), h("p", { class: "muted" }, text), more);

export const loading = () => h("p", { class: "loading", role: "status" }, "Loading …");

export const failure = (error, again) => h("div", { class: "note bad", role: "alert" },
  h("span", { class: "grow" }, error.message), again && h("button", { type: "button", onclick: again }, "Try again"));

/** Shows what a promise brings in the place of a word that it is loading, and what went wrong in its own words. */
export function later(promise, show, again) {
  const place = h("div", { class: "stack" }, loading());
  promise.then((value) => replace(place, show(value))).catch((error) => {
    if (error.name !== "AbortError") replace(place, failure(error, again));
  });
  return place;
}

// Words with a meaning

export const moment = (milliseconds, none = "never") => milliseconds
  ? h("time", { datetime: new Date(milliseconds).toISOString(), title: dateTime(milliseconds) }, ago(milliseconds))
  : h("span", { class: "muted" }, none);

export const statusBadge = (status) => h("span", { class: `badge ${{ ENABLED: "good", DISABLED_DUE_TO_ERRORS: "bad" }[status] ?? ""}` },
  { ENABLED: "Enabled", DISABLED: "Disabled", DISABLED_DUE_TO_ERRORS: "Disabled: errors" }[status] ?? status);

export const identity = (id, what = "id") => h("span", { class: "row tight" }, h("code", { class: "break" }, id), copyButton(id, what));

export const facts = (...pairs) => h("dl", { class: "facts" }, pairs.filter(Boolean).map(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));

/** The head of a page. Its heading takes the focus when the page is opened. */
export const head = ({ title, crumbs, badge, actions }) => h("header", { class: "head" },
  h("div", { class: "grow" },
    crumbs && h("nav", { class: "crumbs", "aria-label": "Breadcrumb" }, h("a", { href: crumbs[1] }, crumbs[0])),
    h("div", { class: "row" }, h("h1", { tabindex: "-1" }, title), badge)),
  actions && h("div", { class: "row" }, actions));

// Dialogs

/** Shows a dialog and waits for it to be closed. `build(close)` makes what is in it; `close(value)` ends it. */
export function dialog(title, build, kind = "") {
  return new Promise((resolve) => {
    const heading = uniqueID();
    const before = document.activeElement;
    let answer;
    const element = h("dialog", { class: kind, "aria-labelledby": heading });
    const close = (value) => {
      answer = value;
      element.close();
    };
    const content = build(close);
    content.prepend(h("div", { class: "row" }, h("h2", { id: heading, class: "grow" }, title), h("button", {
      type: "button", class: "quiet icon-only", "aria-label": "Close", onclick: () => close(undefined),
    }, icon("close"))));
    element.append(content);
    element.addEventListener("close", () => {
      element.remove();
      if (before?.isConnected) before.focus();
      resolve(answer);
    });
    document.body.append(element);
    element.showModal();
    (element.querySelector("[autofocus]") ?? element.querySelector("input, select, textarea"))?.focus();
  });
}

/** Asks before something that cannot be undone. */
export const confirm = (title, text, action) => dialog(title, (close) => h("div", { class: "inside" }, h("p", { class: "break" }, text),
  h("div", { class: "actions" },
    h("button", { type: "button", autofocus: true, onclick: () => close(false) }, "Cancel"),
    h("button", { type: "button", class: "danger", onclick: () => close(true) }, action))));

/** A small form in a dialog. `save(values)` does what it is for; what the server does not take is shown at the field. */
export const formDialog = (title, fields, action, save) => dialog(title, (close) => {
  const problem = h("p", { class: "fault", role: "alert" });
  const form = h("form", {
    novalidate: true,
    onsubmit: async (event) => {
      event.preventDefault();
      clearFaults(form);
      problem.textContent = "";
      submit.disabled = true;
      try {
        close((await save()) ?? true);
      } catch (error) {
        if (!showFault(form, error)) problem.textContent = error.message;
      } finally {
        submit.disabled = false;
      }
    },
  }, fields, problem);
  const submit = h("button", { class: "primary" }, action);
  form.append(h("div", { class: "actions" }, h("button", { type: "button", onclick: () => close(undefined) }, "Cancel"), submit));
  return form;
});

// Fields

/** A labelled control. `name` is what the API calls it, so that its errors find their place. */
export function field(label, name, control, hint, beside) {
  control.id ||= uniqueID("f");
  const [hintID, faultID] = [uniqueID(), uniqueID()];
  control.setAttribute("aria-describedby", hint ? `${hintID} ${faultID}` : faultID);
  return h("div", { class: "field", "data-field": name }, h("label", { for: control.id }, label),
    beside ? h("div", { class: "with" }, control, beside) : control,
    hint && h("span", { class: "hint", id: hintID }, hint), h("span", { class: "fault", id: faultID }));
}

export const input = (value, more = {}) => h("input", { value: value ?? "", autocomplete: "off", spellcheck: "false", ...more });

export const select = (value, options, more = {}) => h("select", more,
  options.map(([option, label]) => h("option", { value: option, selected: option === value }, label ?? option)));

export function check(label, name, isChecked, hint) {
  const [box, hintID] = [h("input", { type: "checkbox", checked: isChecked, id: uniqueID("f") }), uniqueID()];
  if (hint) box.setAttribute("aria-describedby", hintID);
  return { box, element: h("div", { class: "check", "data-field": name }, box, h("div", {},
    h("label", { for: box.id }, label), hint && h("div", { class: "hint", id: hintID }, hint), h("span", { class: "fault" }))) };
}

/** An input whose text is not shown unless asked for. */
export function secretInput(value, more = {}) {
  const box = input(value, { type: "password", autocomplete: "new-password", ...more });
  const toggle = h("button", {
    type: "button", class: "icon-only", "aria-label": "Show", "aria-pressed": "false", title: "Show",
    onclick: () => {
      const shows = box.type === "password";
      box.type = shows ? "text" : "password";
      toggle.setAttribute("aria-pressed", String(shows));
    },
  }, icon("eye"));
  return { box, toggle };
}

/** An on-off switch that says what it did when the server did it. */
export function toggle(label, isOn, change, mayChange = true) {
  const element = h("button", {
    type: "button", role: "switch", class: "switch", "aria-checked": String(isOn), "aria-label": label, disabled: !mayChange,
    onclick: () => busy(element, async () => {
      await change(!isOn);
      isOn = !isOn;
      element.setAttribute("aria-checked", String(isOn));
      word.textContent = isOn ? "on" : "off";
    }),
  });
  const word = h("span", {}, isOn ? "on" : "off");
  element.append(word);
  return element;
}

export function clearFaults(form) {
  for (const fault of form.querySelectorAll(".fault")) fault.textContent = "";
  for (const control of form.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
}

/** Shows the server's words at the field that they are about, and goes there. False if there is no such field here. */
export function showFault(form, error) {
  if (!error.field) return false;
  // `webhook.headers.X` may be about the place called `headers.X`, or else about `headers`.
  const full = error.field.replace(/^(\[\d+\]|webhook)\.?/, "");
  let name = full;
  let place;
  while (name !== "" && !(place = form.querySelector(`[data-field="${CSS.escape(name)}"]`))) {
    name = name.replace(/(\.|\[)?[^.[]*$/, "");
  }
  if (!place) return false;
  const fault = place.querySelector(".fault");
  fault.textContent = error.message.replace(/^(\[\d+\]|webhook)\.?/, "");
  place.closest("details")?.setAttribute("open", "");
  // Of several rows the one at fault, by its number or its key.
  const rest = full.slice(name.length);
  const rows = [...place.querySelectorAll(".pair, .rule")];
  const row = rows[/^(?:\.rules)?\[(\d+)\]/.exec(rest)?.[1]] ?? rows.find((each) => each.querySelector("input").value.toLowerCase() === rest.slice(1).toLowerCase());
  const controls = [...(row ?? place).querySelectorAll("input, select, textarea")];
  for (const control of controls) control.setAttribute("aria-invalid", "true");
  controls[0]?.focus();
  place.scrollIntoView({ block: "center" });
  return true;
}

// Choices

/** Buttons of which one is pressed. */
export function tabs(label, value, options, onChange) {
  const buttons = options.map(([option, text]) => h("button", {
    type: "button", "aria-pressed": String(option === value),
    onclick: () => {
      buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(options[index][0] === option)));
      onChange(option);
    },
  }, text));
  return h("div", { class: "tabs", role: "group", "aria-label": label }, buttons);
}

/** Puts what lies above beside its button, within the window. */
export function place(popup, button) {
  const [at, size] = [button.getBoundingClientRect(), popup.getBoundingClientRect()];
  const fits = at.bottom + size.height + 8 < innerHeight || at.top < size.height + 8;
  popup.style.top = `${Math.max(6, fits ? Math.min(at.bottom + 4, innerHeight - size.height - 6) : at.top - size.height - 4)}px`;
  popup.style.left = `${Math.max(6, Math.min(at.right - size.width, innerWidth - size.width - 6))}px`;
}

/** Opens something above the page until it is left; answers how to close it. */
export function popup(button, element, onClose) {
  const home = button.closest("dialog") ?? document.body;
  const close = (returnsFocus = true) => {
    element.remove();
    removeEventListener("pointerdown", outside, true);
    removeEventListener("scroll", moved, true);
    button.setAttribute("aria-expanded", "false");
    if (returnsFocus) button.focus();
    onClose?.();
  };
  const outside = (event) => { if (!element.contains(event.target) && !button.contains(event.target)) close(false); };
  const moved = (event) => { if (!element.contains(event.target)) close(false); };
  element.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  });
  home.append(element);
  place(element, button);
  addEventListener("pointerdown", outside, true);
  setTimeout(() => addEventListener("scroll", moved, true), 150);
  button.setAttribute("aria-expanded", "true");
  return close;
}

/** A button with a menu: `[["Edit", f], ["Delete", f, "danger"]]`. */
export function menu(label, items) {
  let close;
  const button = h("button", {
    type: "button", class: "quiet icon-only", "aria-label": label, "aria-haspopup": "menu", "aria-expanded": "false", title: label,
    onclick: () => {
      if (close) return close();
      const entries = items.filter(Boolean).map(([text, action, kind]) => h("button", {
        type: "button", role: "menuitem", class: kind ?? "", tabindex: "-1",
        onclick: () => {
          close();
          action();
        },
      }, text));
      const list = h("div", {
        class: "popup", role: "menu", "aria-label": label,
        onkeydown: (event) => {
          const at = entries.indexOf(document.activeElement);
          const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
          if (step) {
            event.preventDefault();
            entries[(at + step + entries.length) % entries.length].focus();
          } else if (event.key === "Tab") close(false);
        },
      }, entries);
      close = popup(button, list, () => { close = undefined; });
      entries[0].focus();
    },
  }, icon("more"));
  return button;
}

// Lists

/** How a list goes on: "1–50 of 10,000", back and forth. */
export const pager = ({ total, offset, limit }, onMove) => h("nav", { class: "pager", "aria-label": "Pages" },
  h("span", { class: "muted small" }, total === 0 ? "None" : `${number(offset + 1)}–${number(Math.min(offset + limit, total))} of ${number(total)}`),
  h("span", { class: "row" },
    h("button", { type: "button", disabled: offset === 0, onclick: () => onMove(Math.max(0, offset - limit)) }, "Previous"),
    h("button", { type: "button", disabled: offset + limit >= total, onclick: () => onMove(offset + limit) }, "Next")));

/**
 * A table.
 *
 * - columns: `{label, order?, class?, hides?}`; with `order` it can be sorted by that; `hides` keeps the label for those who listen.
 * - rows: arrays of cells, or elements that are rows already.
 * - sort: `{order, dir}`; `onSort(order, dir)`.
 */
export function table({ label, columns, rows, sort, onSort }) {
  const headings = columns.map(({ label: text, order, class: kind, hides, content }) => {
    if (content) return h("th", { scope: "col", class: kind }, content);
    if (!order || !onSort) return h("th", { scope: "col", class: kind }, hides ? h("span", { class: "hidden" }, text) : text);
    const isSorted = sort.order === order;
    const next = isSorted && sort.dir === "desc" ? "asc" : "desc";
    return h("th", { scope: "col", class: kind, "aria-sort": isSorted ? (sort.dir === "asc" ? "ascending" : "descending") : undefined },
      h("button", { type: "button", onclick: () => onSort(order, next) }, text, isSorted && small(sort.dir === "asc" ? "up" : "down")));
  });
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, h("table", { class: "cards" },
    h("caption", { class: "hidden" }, label), h("thead", {}, h("tr", {}, headings)),
    h("tbody", {}, rows.map((row) => (Array.isArray(row) ? tableRow(columns, row) : row)))));
}

export const tableRow = (columns, cells, more = {}) => h("tr", more, cells.map((cell, index) => h("td", {
  class: columns[index].class, "data-label": columns[index].hides || columns[index].content ? undefined : columns[index].label,
}, cell)));

function small(name) {
  const picture = icon(name);
  picture.setAttribute("width", 14);
  picture.setAttribute("height", 14);
  return picture;
}

/** Waits until nothing was typed for a moment. */
export function debounced(work, milliseconds = 250) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...values), milliseconds);
  };
}

export { h, icon, replace, s };
