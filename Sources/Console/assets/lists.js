// Tables, and how they go on.

import { h, icon, replace } from "./dom.js";
import { field, select } from "./fields.js";
import { number } from "./format.js";
import { attempt, busy } from "./ui.js";

/** How many there are, or at least: "10,000+". */
export const atLeast = (count, isCapped) => number(count) + (isCapped ? "+" : "");

/** Changes what a list shows. Who says how many to pass over goes on behind no page. */
export const turn = (state, changes) => Object.assign(state, "offset" in changes ? { cursor: undefined } : {}, changes);

/**
 * How a list goes on: "1–50 of 10,000+", back and forth. Forth goes on where the page ended, if it says where: `onMove` is
 * given what to ask for, `{offset}` or `{offset: undefined, cursor}`.
 */
export const pager = ({ total, total_is_capped: isCapped, offset, limit, next, ...lists }, onMove, what = "") => {
  const end = offset + (Object.values(lists).find(Array.isArray)?.length ?? limit);
  const hasMore = next !== undefined || end < total;
  const hasPages = hasMore || offset > 0;
  return h(
    hasPages ? "nav" : "div",
    { class: "pager", "aria-label": hasPages ? `Pages ${what}`.trim() : undefined },
    h(
      "span",
      { class: "muted small" },
      total === 0 ? "None" : `${number(Math.min(offset + 1, end))}–${number(end)} of ${atLeast(total, isCapped)}`,
    ),
    hasPages &&
      h(
        "span",
        { class: "row" },
        h("button", {
          type: "button",
          disabled: offset === 0,
          onclick: () => onMove({ offset: Math.max(0, offset - limit) }),
        }, "Previous"),
        h("button", {
          type: "button",
          disabled: !hasMore,
          onclick: () => onMove(next === undefined ? { offset: end } : { offset: undefined, cursor: next }),
        }, "Next"),
      ),
  );
};

/**
 * A part of a page that lists something page by page, and can be looked at again. `show` makes it of the page that
 * `read({offset, cursor}, signal)` brings.
 */
export function listSection(title, signal, read, show) {
  const list = h("div", {});
  const load = (place = {}) =>
    attempt(list, signal, async (signal) => {
      const page = await read(place, signal);
      replace(list, show(page), page.total > 0 && pager(page, load));
    });
  load();
  return h(
    "section",
    { class: "card flush" },
    h(
      "div",
      { class: "row" },
      h("h2", { class: "grow" }, title),
      h("button", { type: "button", onclick: () => load() }, "Refresh"),
    ),
    list,
  );
}

/** Fields that narrow down what a list shows: each is kept in its state by its name. */
export const choices = (state, load) => (name, label, options) => {
  const box = select(state[name], options, { onchange: () => load({ [name]: box.value, offset: 0 }) });
  return field(label, name, box);
};

/** Looks at a list once more, from its beginning. */
export function refreshButton(load) {
  const button = h(
    "button",
    { type: "button", onclick: () => busy(button, () => load({ offset: 0 })) },
    icon("refresh"),
    "Refresh",
  );
  return button;
}

/**
 * A table.
 *
 * @param {{
 *   label: string,
 *   columns: {label: string, order?: string, class?: string, hides?: boolean, content?: Node}[],
 *   rows: any[],
 *   sort?: {order: string, dir: string},
 *   onSort?: (order: string, dir: string) => void,
 * }} parts A column with an `order` can be sorted by that; one that `hides` its label says it to those who listen alone.
 * Rows are arrays of cells, or elements that are rows already.
 */
export function table({ label, columns, rows, sort, onSort }) {
  const headings = columns.map(({ label: text, order, class: kind, hides, content }) => {
    if (content) return h("th", { scope: "col", class: kind }, content);
    if (!order || !onSort) {
      return h("th", { scope: "col", class: kind }, hides ? h("span", { class: "hidden" }, text) : text);
    }
    const isSorted = sort.order === order;
    const next = isSorted && sort.dir === "desc" ? "asc" : "desc";
    return h(
      "th",
      {
        scope: "col",
        class: kind,
        "aria-sort": isSorted ? (sort.dir === "asc" ? "ascending" : "descending") : undefined,
      },
      h(
        "button",
        { type: "button", onclick: () => onSort(order, next) },
        text,
        isSorted && small(sort.dir === "asc" ? "up" : "down"),
      ),
    );
  });
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
    onSort && sortChoice(label, columns, sort, onSort),
    h(
      "table",
      { class: "cards" },
      h("caption", { class: "hidden" }, label),
      h("thead", {}, h("tr", {}, headings)),
      h("tbody", {}, rows.map((row) => (Array.isArray(row) ? tableRow(columns, row) : row))),
    ),
  );
}

/** What stands in for the headings where there is no room for them. */
function sortChoice(label, columns, sort, onSort) {
  const options = columns.filter(({ order }) => order).flatMap(({ label: text, order }) => [
    [`${order} asc`, `${text}, ascending`],
    [`${order} desc`, `${text}, descending`],
  ]);
  return h(
    "div",
    { class: "sort-choice" },
    select(`${sort.order} ${sort.dir}`, options, {
      "aria-label": `Sort ${label}`,
      onchange: (event) => onSort(...event.target.value.split(" ")),
    }),
  );
}

/** A row that opens something wherever it is clicked, but for what has a use of its own and text that is being selected. */
export const opensBy = (open) => ({
  class: "opens",
  onclick: (event) => {
    // By the way it came: what was clicked may be gone by now, such as the picture in a button that has another one.
    const isUsed = event.composedPath().some((each) =>
      each instanceof Element && each.matches("a, button, input, select, label, summary, .menu")
    );
    if (!isUsed && String(getSelection()) === "") open();
  },
});

export const tableRow = (columns, cells, more = {}) =>
  h(
    "tr",
    more,
    cells.map((cell, index) =>
      h("td", {
        class: columns[index].class,
        "data-label": columns[index].hides || columns[index].content ? undefined : columns[index].label,
      }, cell)
    ),
  );

function small(name) {
  const picture = icon(name);
  picture.setAttribute("width", 14);
  picture.setAttribute("height", 14);
  return picture;
}
