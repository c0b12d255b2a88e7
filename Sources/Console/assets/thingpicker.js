// Choosing among very many: one types, is shown what is like it, and sees what is chosen by its name.

import { get, query } from "./api.js";
import { h, icon, replace, uniqueID } from "./dom.js";
import { debounced, field, input } from "./fields.js";
import { place } from "./overlays.js";

/** So many are offered at a time; who wants another one types more of its name. */
const mostShown = 20;
/** The API names so many at a time. */
const mostIDs = 100;

const isID = (text) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);

/** What a text finds: those that are like it, and what there is to say of that. */
const found = (items, remark = "") => ({ items, remark });
const remarkOn = (hasMore) => hasMore ? "There are more: type more of the name." : "";

/**
 * A list of a group to choose from. Names that came along once are remembered.
 *
 * @param {string} path
 * @param {string} key
 * @param {(read: (values: object) => Promise<{items: any[], hasMore: boolean, isLarge: boolean}>, text: string) => Promise<any>} search
 */
function listAt(path, key, search) {
  /** By id; undefined for what is not there. */
  const names = new Map();
  const read = async (values, signal) => {
    const page = await get(`${path}${query({ limit: mostShown, ...values })}`, signal);
    for (const { id, name } of page[key]) names.set(id, name);
    return { items: page[key], hasMore: page.next !== undefined, isLarge: page.total_is_capped === true };
  };
  const know = async (ids, signal) => {
    const unknown = [...new Set(ids)].filter((id) => !names.has(id));
    for (let start = 0; start < unknown.length; start += mostIDs) {
      const some = unknown.slice(start, start + mostIDs);
      const { hasMore } = await read({ ids: some.join(","), limit: mostIDs }, signal);
      // A page that ends early, because much is in it, says nothing of the others.
      if (hasMore) continue;
      for (const id of some) if (!names.has(id)) names.set(id, undefined);
    }
  };
  const nameOf = (id) => names.get(id) ?? id.slice(0, 8);
  /** Texts that wait for their names, which are asked for together. */
  let waiting = [];
  return {
    find: (text, signal) => search((values) => read(values, signal), text),
    /** Asks for the names of those that were not heard of yet. */
    know,
    /** Its name, or the beginning of its id as long as that is all that is known. */
    nameOf,
    /** The same as a text that becomes the name. */
    label(id, signal) {
      const text = document.createTextNode(nameOf(id));
      if (names.has(id)) return text;
      if (waiting.length === 0) {
        queueMicrotask(async () => {
          const those = waiting;
          waiting = [];
          try {
            await know(those.map(([each]) => each), signal);
          } catch {
            // The beginnings of their ids stay. What is wrong is said by the list that they stand in.
            return;
          }
          for (const [each, element] of those) element.data = nameOf(each);
        });
      }
      waiting.push([id, text]);
      return text;
    },
  };
}

const inOrder = { order: "name", dir: "asc" };

/** What there are not too many of to look through by parts of their names. */
const byName = async (read, text) => {
  const { items, hasMore } = await read(isID(text) ? { ids: text } : { name: text, ...inOrder });
  return found(items, remarkOn(hasMore));
};

export const webhooksOf = (group) => listAt(`/groups/${group}/webhooks`, "webhooks", byName);
export const profilesOf = (group) => listAt(`/groups/${group}/profiles`, "profiles", byName);

/** The things of a group: by how their names begin and by what their owners call them, for which there are indexes. */
export function thingsOf(group) {
  /** Whether there are too many to look for a part of a name among them all. */
  let isLarge;
  return listAt(`/groups/${group}/things`, "things", async (read, text) => {
    if (text === "" || isID(text)) return byName(read, text);
    const [begins, called] = await Promise.all([
      read({ name_begins: text, dir: "asc" }),
      read({ external_id: text }),
    ]);
    const items = new Map([...called.items, ...begins.items].map((thing) => [thing.id, thing]));
    if (begins.hasMore) return found([...items.values()], remarkOn(true));
    isLarge ??= (await read({ limit: 1 })).isLarge;
    if (isLarge) return found([...items.values()], "Found by how the name begins, or by the external id.");
    const like = await read({ name: text, ...inOrder });
    for (const thing of like.items) items.set(thing.id, thing);
    return found([...items.values()], remarkOn(like.hasMore));
  });
}

/**
 * A field whose value is chosen by a search: one, or several. It tells of a change as other controls do.
 *
 * @param {{
 *   label: string, name: string, hint?: string, among: ReturnType<typeof listAt>, chosen: string[], signal: AbortSignal,
 *   isMultiple?: boolean, isRequired?: boolean, none?: string, onChange?: (ids: string[]) => void,
 * }} parts `chosen` are ids; `none` is what it means that none is.
 */
export function picker(
  { label, name, hint, among, chosen, signal, isMultiple, isRequired, none = "All", onChange = () => {} },
) {
  let picked = [...chosen];
  let options = [];
  let active = -1;
  // What stands in the box of a single choice is its name until somebody types.
  let isTyped = false;
  /** Whether Enter came before what was typed was found. */
  let isAwaited = false;
  let asked = new AbortController();
  const listID = uniqueID("options");
  const box = input("", {
    role: "combobox",
    placeholder: none,
    "aria-autocomplete": "list",
    "aria-controls": listID,
    "aria-expanded": "false",
  });
  const list = h("ul", {
    id: listID,
    role: "listbox",
    "aria-label": "Found",
    "aria-multiselectable": isMultiple && "true",
  });
  const remark = h("p", { class: "hint" });
  const said = h("span", { class: "hidden", "aria-live": "polite" });
  const popup = h("div", { class: "popup options", hidden: true }, list, remark);
  const chips = h("ul", { class: "chips", "aria-label": "Chosen" });
  const removal = h("button", { type: "button", class: "icon-only", title: "Remove" }, icon("close"));
  const element = field(label, name, box, hint);
  const whole = h("div", { class: "pick" });
  box.replaceWith(whole);
  whole.append(...(isMultiple ? [chips, box] : [h("div", { class: "with" }, box, removal)]), popup, said);

  const drawPicked = () => {
    if (!isMultiple) {
      const [id] = picked;
      if (!isTyped) box.value = id === undefined ? "" : among.nameOf(id);
      removal.hidden = id === undefined || isRequired;
      if (id !== undefined) removal.setAttribute("aria-label", `Remove ${among.nameOf(id)}`);
      return;
    }
    chips.hidden = picked.length === 0;
    replace(
      chips,
      picked.map((id) =>
        h(
          "li",
          { class: "chip" },
          h("span", {}, among.nameOf(id)),
          h("button", {
            type: "button",
            "aria-label": `Remove ${among.nameOf(id)}`,
            title: "Remove",
            onclick: () => remove(id),
          }, icon("close")),
        )
      ),
    );
  };
  const change = (ids) => {
    picked = ids;
    drawPicked();
    whole.dispatchEvent(new Event("change", { bubbles: true }));
    onChange([...picked]);
  };
  const remove = (id) => {
    change(picked.filter((each) => each !== id));
    said.textContent = `${among.nameOf(id)} removed`;
    box.focus();
  };

  const adjust = () => {
    if (!box.isConnected) return close();
    popup.style.width = `${Math.min(innerWidth - 12, Math.max(whole.offsetWidth, 260))}px`;
    // What is chosen stays in sight.
    place(popup, whole);
    // It begins where its box does, if there is room.
    popup.style.left = `${
      Math.max(6, Math.min(whole.getBoundingClientRect().left, innerWidth - popup.offsetWidth - 6))
    }px`;
  };
  const follow = (event) => {
    if (!popup.contains(event.target)) adjust();
  };
  const open = () => {
    if (!popup.hidden) return;
    popup.hidden = false;
    box.setAttribute("aria-expanded", "true");
    addEventListener("scroll", follow, true);
    addEventListener("resize", adjust);
    draw([], "Looking …");
    look();
  };
  const hide = () => {
    popup.hidden = true;
    box.setAttribute("aria-expanded", "false");
    removeEventListener("scroll", follow, true);
    removeEventListener("resize", adjust);
    activate(-1);
  };
  const close = () => {
    asked.abort();
    hide();
    isTyped = false;
    isAwaited = false;
    if (isMultiple) box.value = "";
    else drawPicked();
  };
  const activate = (index) => {
    active = index;
    [...list.children].forEach((option, at) => option.classList.toggle("active", at === index));
    const option = list.children[index];
    if (!option) return box.removeAttribute("aria-activedescendant");
    box.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  };
  const draw = (items, text) => {
    options = items;
    // What is there already keeps its place.
    list.replaceChildren(...items.map(({ id, name: itsName, external_id: externalID }) =>
      h(
        "li",
        {
          id: uniqueID("option"),
          role: "option",
          "aria-selected": String(picked.includes(id)),
          onclick: () => choose(id),
        },
        h("span", {}, itsName),
        externalID !== undefined && externalID !== itsName && h("span", { class: "hint" }, externalID),
      )
    ));
    list.hidden = items.length === 0;
    remark.textContent = text;
    remark.hidden = text === "";
    activate(isTyped && items.length > 0 ? 0 : -1);
    adjust();
  };
  const look = async () => {
    asked.abort();
    asked = new AbortController();
    const until = asked.signal;
    try {
      const { items, remark: text } = await among.find(
        isTyped ? box.value.trim() : "",
        AbortSignal.any([signal, until]),
      );
      draw(items, items.length === 0 ? "None is like that." : text);
      said.textContent = items.length === 0 ? "None is like that." : `${items.length} found. ${text}`;
      // Only if there is no question which one is meant.
      if (isAwaited && items.length === 1) choose(items[0].id);
      isAwaited = false;
    } catch (error) {
      if (error.name === "AbortError" || until.aborted) return;
      draw([], error.message);
      said.textContent = error.message;
      isAwaited = false;
    }
    if (popup.hidden) close();
  };
  const lookSoon = debounced(() => (popup.hidden && !isAwaited) || look());
  const selectText = () => document.activeElement === box && box.select();
  const choose = (id) => {
    if (!isMultiple) {
      isTyped = false;
      change([id]);
      close();
      return selectText();
    }
    change(picked.includes(id) ? picked.filter((each) => each !== id) : [...picked, id]);
    // The next one is chosen from the same, or by typing anew.
    [...list.children].forEach((option, at) =>
      option.setAttribute("aria-selected", String(picked.includes(options[at].id)))
    );
    activate(options.findIndex((option) => option.id === id));
    selectText();
    adjust();
  };

  box.addEventListener("input", () => {
    isTyped = true;
    isAwaited = false;
    // What is shown is not what was typed.
    activate(-1);
    asked.abort();
    if (popup.hidden) open();
    else lookSoon();
  });
  box.addEventListener("click", open);
  box.addEventListener("focus", () => isMultiple || box.select());
  box.addEventListener("blur", () => {
    if (!isMultiple && !isRequired && isTyped && box.value.trim() === "" && picked.length > 0) change([]);
    // Whoever pressed Enter and goes on to the next field still gets what was asked for.
    if (isAwaited) hide();
    else close();
  });
  box.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      if (popup.hidden) return open();
      if (options.length === 0) return;
      activate(active < 0 && step < 0 ? options.length - 1 : (active + step + options.length) % options.length);
    } else if (event.key === "Enter") {
      // It never sends the form: what was typed would be lost.
      event.preventDefault();
      if (popup.hidden) return;
      if (active >= 0) choose(options[active].id);
      else isAwaited = isTyped;
    } else if (event.key === "Escape" && !popup.hidden) {
      event.preventDefault();
      event.stopPropagation();
      close();
    } else if (event.key === "Backspace" && isMultiple && box.value === "" && picked.length > 0) {
      remove(picked.at(-1));
    }
  });
  // Whoever presses there goes on typing here.
  popup.addEventListener("mousedown", (event) => event.preventDefault());
  removal.addEventListener("click", () => remove(picked[0]));
  // What is typed is a search, and no change of the form.
  for (const event of ["input", "change"]) {
    whole.addEventListener(event, (typed) => typed.target === box && typed.stopPropagation());
  }

  drawPicked();
  among.know(picked, signal).then(drawPicked).catch((error) => {
    if (error.name !== "AbortError") said.textContent = error.message;
  });
  return { element, read: () => [...picked] };
}
