// What is around every page: the sections, the group at hand, who is signed in.

import { h, icon, replace } from "./dom.js";
import { select } from "./fields.js";
import { chooseZone, zone, zones } from "./format.js";
import { groupPicker } from "./groups.js";
import { at, can, state } from "./state.js";

/**
 * Those that are about a group are shown to who is in one: others have no right to anything in them. What is about an organization
 * root is shown where the group at hand is of one; others are shown those that they are members of.
 */
const sections = [
  { section: "overview", label: "Overview", isOfGroup: true },
  { section: "webhooks", label: "Webhooks", isOfGroup: true },
  { section: "alarms", label: "Alarms", isOfGroup: true },
  { section: "log", label: "Log", isOfGroup: true },
  { section: "things", label: "Things", isOfGroup: true },
  { section: "sources", label: "Sources", isOfGroup: true },
  { section: "notices", label: "Notices", isOfGroup: true },
  { section: "keys", label: "API keys", isOfGroup: true },
  { section: "members", label: "Groups and members", isOfGroup: false },
  { section: "org", label: "Organization", isOfGroup: true, isOfOrg: true, needs: "root" },
  { section: "org", label: "Organizations", isOfMember: true, address: "#/orgs" },
  { section: "audit", label: "Audit", isOfGroup: true, needs: "admin" },
  { section: "broker", label: "Broker", isOfGroup: true, needs: "root" },
];

let current;
let actions;

/** - parameters: `{go, signOut}`, what the frame's controls do. */
export function drawFrame(root, does) {
  actions = does;
  const main = h("main", { id: "main", tabindex: "-1" });
  const skip = h("a", {
    class: "skip",
    href: "#main",
    onclick: (event) => {
      event.preventDefault();
      main.focus();
    },
  }, "Skip to the page");
  replace(root, skip, h("div", { class: "frame" }, h("header", { class: "side" }), main));
  drawSide();
}

/** Shows which section the page belongs to, and closes the menu of small screens. */
export function markSection(section) {
  current = section;
  drawSide();
}

const mayUse = (needs) => needs === undefined || (needs === "root" ? state.me.root : can(needs));

/** What of another group is shown once it is chosen. Who sees organizations as their member sees none as its group's. */
const ofAGroup = () => (current === "org" && !state.me.root ? "overview" : current);

function drawSide() {
  const side = document.querySelector(".side");
  if (!side) return;
  side.classList.remove("open");
  const isMember = !state.me.root && Object.keys(state.me.orgs ?? {}).length > 0;
  const visible = sections.filter(({ isOfGroup, isOfOrg, isOfMember, needs }) =>
    (!isOfGroup || state.group) && (!isOfOrg || state.group.org_id) && (!isOfMember || isMember) && mayUse(needs)
  );
  const link = ({ section, label, address = at(section) }) =>
    h(
      "li",
      {},
      h(
        "a",
        { href: address, "aria-current": section === current ? "page" : undefined },
        icon(section),
        label,
      ),
    );
  const toggle = h("button", {
    type: "button",
    class: "menu-toggle icon-only",
    "aria-label": "Menu",
    "aria-expanded": "false",
    onclick: () => toggle.setAttribute("aria-expanded", String(side.classList.toggle("open"))),
  }, icon("menu"));
  const brand = h("a", { class: "brand", href: at("overview") }, h("img", { src: "icon.svg", alt: "" }), "Hookline");
  replace(
    side,
    h("div", { class: "side-top" }, brand, toggle),
    state.group && h("div", { class: "row" }, groupPicker((group) => actions.go(`#/${group.id}/${ofAGroup()}`))),
    h("nav", { "aria-label": "Sections" }, h("ul", { class: "nav" }, visible.map(link))),
    h("div", { class: "foot" }, appearance(), zoneChoice(), signedIn()),
  );
}

const signedIn = () => [
  h(
    "p",
    { class: "small muted break" },
    "Signed in as ",
    h("strong", {}, state.me.key?.name ?? state.me.user_id),
    state.me.root && " (root)",
    state.me.key && " (API key)",
  ),
  h("button", { type: "button", onclick: () => actions.signOut() }, "Sign out"),
];

// Appearance

const themeKey = "hookline.theme";

function appearance() {
  const themes = [["", "As the system"], ["light", "Light"], ["dark", "Dark"]];
  const choice = select(localStorage.getItem(themeKey) ?? "", themes, {
    onchange: () => {
      localStorage.setItem(themeKey, choice.value);
      applyTheme();
    },
  });
  return h("label", { class: "field small" }, h("span", { class: "muted" }, "Appearance"), choice);
}

/** Shows the page in the colours that were chosen here before. */
export function applyTheme() {
  const theme = localStorage.getItem(themeKey);
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

/** In which zone times are shown. */
function zoneChoice() {
  const regions = Object.entries(Object.groupBy(zones(), (name) => name.split("/")[0]));
  const option = (value, label) => h("option", { value, selected: value === zone() }, label);
  const place = (name) => name.split("/").slice(1).join(", ").replaceAll("_", " ") || name;
  const choice = h(
    "select",
    { onchange: () => chooseZone(choice.value) },
    option("", "This browser's"),
    option("UTC", "UTC"),
    regions.map(([region, names]) => h("optgroup", { label: region }, names.map((name) => option(name, place(name))))),
  );
  return h("label", { class: "field small" }, h("span", { class: "muted" }, "Time zone"), choice);
}

addEventListener("group-changed", drawSide);
