// What lies above a page: dialogs, menus, and lists to choose from.

import { h, icon, uniqueID } from "./dom.js";
import { changedForms, isWatched, onSubmit, watched } from "./fields.js";
import { command, copyButton } from "./ui.js";

// Dialogs

/**
 * Shows a dialog and waits for it to be closed. `build(close, leave)` makes what is in it; `close(value)` ends it, and `leave()` does
 * so as Escape does: where a form in it was changed, it asks.
 */
export function dialog(title, build, kind = "") {
  return new Promise((resolve) => {
    const heading = uniqueID();
    const before = /** @type {HTMLElement} */ (document.activeElement);
    let answer;
    const element = h("dialog", { class: kind, "aria-labelledby": heading });
    const close = (value) => {
      answer = value;
      element.close();
    };
    const leave = async () => {
      if (!holds(element) || await confirmLeaving()) close(undefined);
    };
    const content = build(close, leave);
    content.prepend(h(
      "div",
      { class: "row" },
      h("h2", { id: heading, class: "grow" }, title),
      h("button", {
        type: "button",
        class: "quiet icon-only",
        "aria-label": "Close",
        onclick: leave,
      }, icon("close")),
    ));
    element.append(content);
    leaving.set(element, leave);
    element.addEventListener("cancel", (event) => {
      // A file that is not chosen is cancelled as well.
      if (event.target !== element || !holds(element)) return;
      event.preventDefault();
      leave();
    });
    element.addEventListener("close", () => {
      element.remove();
      if (before?.isConnected) before.focus();
      else document.querySelector("h1")?.focus();
      resolve(answer);
    });
    document.body.append(element);
    element.showModal();
    (element.querySelector("[autofocus]") ?? element.querySelector("input, select, textarea"))?.focus();
  });
}

/** How each dialog is left. */
const leaving = new WeakMap();
const openDialogs = () => /** @type {HTMLDialogElement[]} */ ([...document.querySelectorAll("dialog[open]")]);
const holds = (element) => changedForms(element).length > 0;

// Browsers let a page keep a dialog from Escape only once in a while; a key that the page takes itself they leave alone.
addEventListener("keydown", (event) => {
  const top = openDialogs().at(-1);
  const isEscape = event.key === "Escape" && !event.isComposing && !event.defaultPrevented;
  if (!isEscape || !top || !holds(top)) return;
  event.preventDefault();
  leaving.get(top)();
});

/** Closes what belongs to a page that is left. */
export function closeForms() {
  for (const element of openDialogs()) {
    if ([...element.querySelectorAll("form")].some(isWatched)) element.close();
  }
}

/** Asks before something that cannot be undone. */
export const confirm = (title, text, action) =>
  dialog(
    title,
    (close) =>
      h(
        "div",
        { class: "inside" },
        h("p", { class: "break" }, text),
        h(
          "div",
          { class: "actions" },
          h("button", { type: "button", autofocus: true, onclick: () => close(false) }, "Cancel"),
          h("button", {
            type: "button",
            class: "danger",
            onclick: () => close(true),
          }, action),
        ),
      ),
  );

/** Asks before what was filled in is lost. */
export const confirmLeaving = () => confirm("Leave without saving?", "What you have changed here is lost.", "Leave");

/** Asks before something is gone for good, naming it. */
export const confirmDeletion = (name, text) => confirm(`Delete “${name}”?`, text, `Delete “${name}”`);

export const confirmNewKey = (name) =>
  confirm(`Make a new key for “${name}”?`, "The one it has now is no longer good at once.", "Make a new key");

/** Shows a secret, this once, and a line to type with it. `what` is what is copied. */
export const showOnce = (title, text, secret, what, line) =>
  dialog(
    title,
    (close) =>
      h(
        "div",
        { class: "inside" },
        h("p", {}, text),
        h("div", { class: "row" }, h("code", { class: "break grow" }, secret), copyButton(secret, what)),
        line && command(line),
        h(
          "div",
          { class: "actions" },
          h("button", { type: "button", class: "primary", onclick: () => close() }, "Done"),
        ),
      ),
  );

/**
 * A small form in a dialog. `save()` does what it is for; what the server does not take is shown at the field. Once it was changed it
 * is not left without being asked, unless there is nothing to lose in it (`isPassing`).
 */
export const formDialog = (title, fields, action, save, isPassing = false) =>
  dialog(title, (close, leave) => {
    const problem = h("p", { class: "fault", role: "alert" });
    const form = h(
      "form",
      {
        novalidate: true,
        onsubmit: onSubmit(problem, async () => close((await save()) ?? true)),
      },
      fields,
      problem,
    );
    form.append(h(
      "div",
      { class: "actions" },
      h("button", { type: "button", onclick: leave }, "Cancel"),
      h("button", { class: "primary" }, action),
    ));
    return isPassing ? form : watched(form);
  });

// Popups

/** Puts what lies above beside its button, within the window. */
export function place(popup, button) {
  const [at, size] = [button.getBoundingClientRect(), popup.getBoundingClientRect()];
  const fits = at.bottom + size.height + 8 < innerHeight || at.top < size.height + 8;
  popup.style.top = `${
    Math.max(6, fits ? Math.min(at.bottom + 4, innerHeight - size.height - 6) : at.top - size.height - 4)
  }px`;
  popup.style.left = `${Math.max(6, Math.min(at.right - size.width, innerWidth - size.width - 6))}px`;
}

/** Opens something above the page until it is left; answers how to close it. */
export function popup(button, element, onClose) {
  const home = button.closest("dialog, main, header") ?? document.body;
  const close = (returnsFocus = true) => {
    element.remove();
    removeEventListener("pointerdown", outside, true);
    removeEventListener("scroll", moved, true);
    button.setAttribute("aria-expanded", "false");
    if (returnsFocus) button.focus();
    onClose?.();
  };
  const outside = (event) => {
    if (!element.contains(event.target) && !button.contains(event.target)) close(false);
  };
  const moved = (event) => {
    if (!element.contains(event.target)) close(false);
  };
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
    type: "button",
    class: "quiet icon-only",
    "aria-label": label,
    "aria-haspopup": "menu",
    "aria-expanded": "false",
    title: label,
    onclick: () => {
      if (close) return close();
      const entries = items.filter(Boolean).map(([text, action, kind]) =>
        h("button", {
          type: "button",
          role: "menuitem",
          class: kind ?? "",
          tabindex: "-1",
          onclick: () => {
            close();
            action();
          },
        }, text)
      );
      const list = h("div", {
        class: "popup",
        role: "menu",
        "aria-label": label,
        onkeydown: (event) => {
          const at = entries.indexOf(document.activeElement);
          const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
          if (step) {
            event.preventDefault();
            entries[(at + step + entries.length) % entries.length].focus();
          } else if (event.key === "Tab") close(false);
        },
      }, entries);
      close = popup(button, list, () => {
        close = undefined;
      });
      entries[0].focus();
    },
  }, icon("more"));
  return button;
}
