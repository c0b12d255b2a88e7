// The controls of forms, and what is said at them.

import { h, icon, uniqueID } from "./dom.js";
import { clockText, clockTime } from "./format.js";
import { busy } from "./ui.js";

/** A labelled control. `name` is what the API calls it, so that its errors find their place. */
export function field(label, name, control, hint, beside) {
  control.id ||= uniqueID("f");
  const [hintID, faultID] = [uniqueID(), uniqueID()];
  control.setAttribute("aria-describedby", hint ? `${hintID} ${faultID}` : faultID);
  return h(
    "div",
    { class: "field", "data-field": name },
    h("label", { for: control.id }, label),
    beside ? h("div", { class: "with" }, control, beside) : control,
    hint && h("span", { class: "hint", id: hintID }, hint),
    h("span", { class: "fault", id: faultID }),
  );
}

export const input = (value, more = {}) =>
  h("input", { value: value ?? "", autocomplete: "off", spellcheck: "false", ...more });

/** A control for a time, in the reader's zone: the same time in another one when that is chosen. */
export function timeInput(milliseconds, more = {}) {
  // Such controls have minutes, unless they are told otherwise.
  const text = (time) => clockText(time).slice(0, more.step ? 23 : 16);
  const box = input(milliseconds === undefined ? "" : text(milliseconds), { type: "datetime-local", ...more });
  let shown = milliseconds;
  box.addEventListener("input", () => {
    shown = clockTime(box.value);
  });
  const follow = () => {
    if (!box.isConnected) return removeEventListener("zone-changed", follow);
    if (shown !== undefined) box.value = text(shown);
  };
  addEventListener("zone-changed", follow);
  return box;
}

export const select = (value, options, more = {}) =>
  h(
    "select",
    more,
    options.map(([option, label]) => h("option", { value: option, selected: option === value }, label ?? option)),
  );

export function check(label, name, isChecked, hint) {
  const [box, hintID] = [h("input", { type: "checkbox", checked: isChecked, id: uniqueID("f") }), uniqueID()];
  if (hint) box.setAttribute("aria-describedby", hintID);
  return {
    box,
    element: h(
      "div",
      { class: "check", "data-field": name },
      box,
      h(
        "div",
        {},
        h("label", { for: box.id }, label),
        hint && h("div", { class: "hint", id: hintID }, hint),
        h("span", { class: "fault" }),
      ),
    ),
  };
}

/** An input whose text is not shown unless asked for. */
export function secretInput(value, more = {}) {
  const box = input(value, { type: "password", autocomplete: "new-password", ...more });
  const toggle = h("button", {
    type: "button",
    class: "icon-only",
    "aria-label": "Show",
    "aria-pressed": "false",
    title: "Show",
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
    type: "button",
    role: "switch",
    class: "switch",
    "aria-checked": String(isOn),
    "aria-label": label,
    disabled: !mayChange,
    onclick: () =>
      busy(element, async () => {
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
function showFault(form, error) {
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
  const row = rows[/^(?:\.rules)?\[(\d+)\]/.exec(rest)?.[1]] ??
    rows.find((each) => each.querySelector("input").value.toLowerCase() === rest.slice(1).toLowerCase());
  const controls = [...(row ?? place).querySelectorAll("input, select, textarea")];
  mark(place, controls);
  controls[0]?.focus();
  place.scrollIntoView({ block: "center" });
  return true;
}

/** Marks controls as faulty until something is changed in their place. */
function mark(place, controls) {
  for (const control of controls) control.setAttribute("aria-invalid", "true");
  const mended = () => {
    place.querySelector(".fault").textContent = "";
    for (const control of controls) control.removeAttribute("aria-invalid");
    for (const event of ["input", "change"]) place.removeEventListener(event, mended);
  };
  for (const event of ["input", "change"]) place.addEventListener(event, mended);
}

/** Marks every control that has to be filled in and is not, and goes to the first. False if there is none. */
function showMissing(form) {
  const missing = [...form.querySelectorAll("[required]")].filter((control) =>
    control.value.trim() === "" && control.closest("[hidden]") === null
  );
  for (const control of missing) {
    const place = control.closest("[data-field]");
    place.querySelector(".fault").textContent = `${place.dataset.field} is required`;
    place.closest("details")?.setAttribute("open", "");
    mark(place, [control]);
  }
  missing[0]?.focus();
  missing[0]?.scrollIntoView({ block: "center" });
  return missing.length > 0;
}

/** Shows what went wrong at its field, or else in the form's own place for that. */
export function tell(form, problem, error) {
  if (!showFault(form, error)) problem.textContent = error.message;
}

/** What a form does when it is sent: `save`, once at a time, and what the server does not take is told. */
export const onSubmit = (problem, save) => async (event) => {
  event.preventDefault();
  const [form, button] = [event.currentTarget, event.submitter];
  clearFaults(form);
  problem.textContent = "";
  if (showMissing(form)) return;
  button.disabled = true;
  try {
    await save();
    settle(form);
  } catch (error) {
    tell(form, problem, error);
  } finally {
    button.disabled = false;
  }
};

/** Of forms that would be missed: what they read as, and what they read as when they were made or last sent. */
const readings = new WeakMap();

/** What is filled in, by its controls. Empty ones do not count, so that a control may come later; nor does what is searched by. */
const contents = (form) =>
  [...form.querySelectorAll("input:not([type=search]), select, textarea")].map((control) => {
    const chosen = control.multiple && control.options
      ? [...control.selectedOptions].map(({ value }) => value).join(" ")
      : control.value;
    const value = ["checkbox", "radio"].includes(control.type) && !control.checked ? "" : chosen;
    return value === "" ? "" : `${control.id} ${value}`;
  }).filter((text) => text !== "");

/** A form that is not left without being asked once it was changed. `draft` is what it reads as, if its controls do not say it. */
export function watched(form, draft = /** @type {() => unknown} */ (() => contents(form))) {
  const text = () => {
    try {
      return JSON.stringify(draft());
    } catch (error) {
      return error.message;
    }
  };
  readings.set(form, { text, before: text() });
  return form;
}

/** Nothing of it is to be missed any more: it was sent, or is given up. */
export function settle(form) {
  const reading = readings.get(form);
  if (reading) reading.before = reading.text();
}

const isChanged = (form) => {
  const reading = readings.get(form);
  return reading !== undefined && reading.text() !== reading.before;
};

/** The forms in there that were changed and not sent. */
export const changedForms = (place) => [...place.querySelectorAll("form")].filter(isChanged);

export const isWatched = (form) => readings.has(form);

/** Buttons of which one is pressed. */
export function tabs(label, value, options, onChange) {
  const buttons = options.map(([option, text]) =>
    h("button", {
      type: "button",
      "aria-pressed": String(option === value),
      onclick: () => {
        buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(options[index][0] === option)));
        onChange(option);
      },
    }, text)
  );
  return h("div", { class: "tabs", role: "group", "aria-label": label }, buttons);
}

/** Waits until nothing was typed for a moment. */
export function debounced(work, milliseconds = 250) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...values), milliseconds);
  };
}
