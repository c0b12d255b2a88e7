// Elements are made one by one and text is set as text: nothing that comes from elsewhere is ever read as markup.

const svgNamespace = "http://www.w3.org/2000/svg";
let lastID = 0;

/** An id that no other element has. */
export const uniqueID = (prefix = "e") => `${prefix}${++lastID}`;

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "selected" || name === "indeterminate") {
      element[name] = value;
    } else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child);
  }
}

/** An element: `h("a", {href: "#/", onclick: f}, "text", otherElement, [more])`. */
export const h = (tag, properties, ...children) => fill(document.createElement(tag), properties, children);

/** An element of an SVG picture. */
export const s = (tag, properties, ...children) =>
  fill(document.createElementNS(svgNamespace, tag), properties, children);

/** Puts these in the place of what is in the element. The focus stays on what has the same name. */
export function replace(element, ...children) {
  const focused = element.contains(document.activeElement) ? nameOf(document.activeElement) : undefined;
  element.replaceChildren();
  append(element, children);
  if (focused) {
    [...element.querySelectorAll("a, button, input, select")].find((each) => nameOf(each) === focused)?.focus();
  }
  return element;
}

const nameOf = (element) => `${element.tagName} ${element.getAttribute("aria-label") ?? element.textContent}`;

const shapes = {
  overview: "M3 12h4l3-8 4 16 3-8h4",
  webhooks: "M12 4v9a4 4 0 1 1-8 0m8-9a2 2 0 1 0 0-.01M4 13l-2-2m2 2 2-2M16 8l4 4-4 4",
  things: "M7 3h10v18H7zM11 18h2",
  sources: "M3 12h12m-4-4 4 4-4 4M15 4h6v16h-6",
  alarms: "M12 3 2 20h20zM12 10v4M12 17h.01",
  notices: "M6 17V10a6 6 0 0 1 12 0v7l2 2H4zM10 22h4",
  keys: "M15 15a6 6 0 1 0-5-3l-7 7v3h4v-3h3v-3l2-2a6 6 0 0 0 3 1zM16 8h.01",
  members: "M9 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM2 21c0-4 3-6 7-6s7 2 7 6M17 4a4 4 0 0 1 0 7m2 4c2 1 3 3 3 6",
  org: "M9 3h6v5H9zM3 16h6v5H3zM15 16h6v5h-6zM12 8v4M6 16v-4h12v4",
  log: "M4 6h16M4 12h10M4 18h13M19 12h1",
  audit: "M6 3h9l4 4v14H6zM9 12h7M9 16h7M9 8h3",
  broker: "M12 21v-7M8.5 10.5a5 5 0 0 1 7 0M5 7a10 10 0 0 1 14 0M12 14h.01",
  more: "M12 6h.01M12 12h.01M12 18h.01",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  plus: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6 6 18",
  up: "M12 19V5m-6 6 6-6 6 6",
  down: "M12 5v14m-6-6 6 6 6-6",
  braces: "M8 4c-3 0-3 2-3 4s0 4-2 4c2 0 2 2 2 4s0 4 3 4M16 4c3 0 3 2 3 4s0 4 2 4c-2 0-2 2-2 4s0 4-3 4",
  eye: "M2 12s4-7 10-7 10 7 10 7-4 7-10 7-10-7-10-7zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z",
  menu: "M4 6h16M4 12h16M4 18h16",
  refresh: "M20 11a8 8 0 1 0-2 6m2-11v5h-5",
  right: "M9 5l7 7-7 7",
  fold: "M5 9l7 7 7-7",
};

/** A small picture that says nothing by itself: its button or link has the words. */
export const icon = (name) =>
  s("svg", {
    viewBox: "0 0 24 24",
    width: 18,
    height: 18,
    fill: "none",
    stroke: "currentColor",
    "stroke-width": name === "more" ? 3 : 2,
    "stroke-linecap": "round",
    "stroke-linejoin": "round",
    "aria-hidden": "true",
  }, s("path", { d: shapes[name] }));
