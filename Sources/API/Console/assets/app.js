// Signing in, the frame around the pages, and which page is shown. Places are behind the `#`: #/<group>/webhooks, #/webhook/<id>.

import * as api from "./api.js";
import { h, icon, replace } from "./dom.js";
import { busy, dialog, failure, field, formDialog, input, loading, popup, secretInput, select, debounced, command } from "./ui.js";

const root = document.getElementById("app");
const ranks = ["viewer", "editor", "admin", "owner"];

/** Who is signed in, and the group that is looked at. Pages read it; only this file changes it. */
const state = { me: undefined, group: undefined, hasGroups: false };

/** Whether the user has at least this role in the group at hand. */
const can = (role) => state.group !== undefined && ranks.indexOf(state.group.role) >= ranks.indexOf(role);

// Pages

const sections = [
  ["overview", "Overview", "overview", true], ["webhooks", "Webhooks", "webhooks", true], ["things", "Things", "things", true],
  ["sources", "Sources", "sources", true], ["members", "Groups and members", "members", false],
];

// Pages of one thing find their group by it.
const pages = [
  [/^\/([0-9a-f-]{36})\/(overview|webhooks|things|sources|members)$/, (match) => ({ section: match[2], module: match[2], group: match[1] })],
  [/^\/([0-9a-f-]{36})\/webhooks\/new$/, (match) => ({ section: "webhooks", module: "webhookform", group: match[1] })],
  [/^\/([0-9a-f-]{36})\/sources\/new$/, (match) => ({ section: "sources", module: "source", group: match[1], part: "new" })],
  [/^\/webhook\/([0-9a-f-]{36})$/, (match) => ({ section: "webhooks", module: "webhook", owner: `/webhooks/${match[1]}` })],
  [/^\/webhook\/([0-9a-f-]{36})\/edit$/, (match) => ({ section: "webhooks", module: "webhookform", owner: `/webhooks/${match[1]}` })],
  [/^\/thing\/([0-9a-f-]{36})$/, (match) => ({ section: "things", module: "thing", owner: `/things/${match[1]}` })],
  [/^\/source\/([0-9a-f-]{36})(?:\/(edit))?$/, (match) => ({ section: "sources", module: "source", owner: `/sources/${match[1]}`, part: match[2] })],
  [/^\/groups$/, () => ({ section: "members", module: "members" })],
];

const modules = {
  overview: () => import("./overview.js"), webhooks: () => import("./webhooks.js"), webhook: () => import("./webhook.js"),
  webhookform: () => import("./webhookform.js"), things: () => import("./things.js"), thing: () => import("./thing.js"),
  sources: () => import("./sources.js"), source: () => import("./source.js"), members: () => import("./members.js"),
};

/** A place within the group at hand. */
const at = (section) => (state.group ? `#/${state.group.id}/${section}` : "#/groups");

let leaving = new AbortController();

async function show() {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const [path, queryText] = location.hash.slice(1).split("?");
  const query = Object.fromEntries(new URLSearchParams(queryText ?? ""));
  const main = document.querySelector("main");
  for (const link of document.querySelectorAll(".nav a")) link.removeAttribute("aria-current");
  document.querySelector(".side")?.classList.remove("open");
  document.querySelector(".menu-toggle")?.setAttribute("aria-expanded", "false");

  const found = pages.map(([pattern, page]) => [pattern.exec(path), page]).find(([match]) => match);
  if (!found) return go(at("overview"), true);
  const page = found[1](found[0]);
  replace(main, loading());
  try {
    const item = page.owner && await api.get(page.owner, signal);
    await useGroup(page.group ?? item?.group_id, signal);
    if (signal.aborted) return;
    document.querySelector(`.nav a[data-section="${page.section}"]`)?.setAttribute("aria-current", "page");
    const module = await modules[page.module]();
    const context = { me: state.me, group: state.group, item, part: page.part, query, signal, can, at, go, setQuery, refreshGroups };
    const content = await module.show(context);
    if (signal.aborted) return;
    replace(main, content);
  } catch (error) {
    if (error.name === "AbortError" || signal.aborted) return;
    replace(main, h("h1", { tabindex: "-1" }, error.status === 404 ? "Not found" : "That did not work"), failure(error, show));
  }
  const heading = main.querySelector("h1");
  document.title = `${heading?.textContent ?? "Hookline"} · Hookline`;
  heading?.focus({ preventScroll: true });
  scrollTo(0, 0);
}

/** Goes to another place of the console. */
function go(hash, replaces = false) {
  if (location.hash === hash) return void show();
  if (replaces) {
    history.replaceState(null, "", hash);
    show();
  } else location.hash = hash;
}

/** Notes in the address what a list shows, so that it can be kept and sent, without opening the page again. */
function setQuery(values) {
  history.replaceState(null, "", location.hash.split("?")[0] + api.query(values));
}

// Groups

async function useGroup(id, signal) {
  if (id && state.group?.id !== id) state.group = await api.get(`/groups/${id}`, signal);
  if (state.group) sessionStorage.setItem("hookline.group", state.group.id);
  drawSide();
}

/** Reads again which groups there are, after one was made, renamed or removed. */
async function refreshGroups(id) {
  const list = await api.get("/groups?limit=1&order=name&dir=asc");
  state.hasGroups = list.total > 0;
  state.me = await api.get("/me");
  state.group = undefined;
  const wanted = id ?? list.groups[0]?.id;
  if (wanted) state.group = await api.get(`/groups/${wanted}`);
  drawSide();
}

function groupPicker() {
  let close;
  const button = h("button", {
    type: "button", class: "grow", "aria-haspopup": "dialog", "aria-expanded": "false", "aria-label": `Group ${state.group?.name ?? ""}, change`,
    onclick: () => {
      if (close) return close();
      const list = h("ul", {});
      const search = input("", { placeholder: "Search groups", "aria-label": "Search groups", type: "search" });
      const fill = async () => {
        const page = await api.get(`/groups${api.query({ name: search.value, limit: 50, order: "name", dir: "asc" })}`);
        replace(list, page.groups.map((group) => h("li", {}, h("button", {
          type: "button",
          onclick: () => {
            close(false);
            const section = /^#\/[0-9a-f-]{36}\/(\w+)/.exec(location.hash)?.[1] ?? document.querySelector(".nav a[aria-current]")?.dataset.section ?? "overview";
            go(`#/${group.id}/${section}`);
          },
        }, group.name, h("span", { class: "hint" }, group.role)))),
        page.total === 0 && h("li", { class: "hint" }, "No group has that in its name."));
      };
      search.addEventListener("input", debounced(() => fill().catch(() => {})));
      close = popup(button, h("div", { class: "popup picker", role: "dialog", "aria-label": "Groups" }, search, list), () => { close = undefined; });
      search.focus();
      fill().catch(() => {});
    },
  }, h("span", { class: "grow break" }, state.group?.name ?? "No group"), icon("fold"));
  return button;
}

export const newGroup = (done) => {
  const name = input("", { autofocus: true });
  return formDialog("New group", [field("Name", "name", name, "A group has its things, profiles, webhooks and members.")], "Create group", async () => {
    const [group] = await api.post("/groups", [{ name: name.value }]);
    await refreshGroups(group.id);
    done(group);
    return group;
  });
};

// The frame

function drawFrame() {
  replace(root, h("a", { class: "skip", href: "#main", onclick: (event) => {
    event.preventDefault();
    document.querySelector("main").focus();
  } }, "Skip to the page"),
  h("div", { class: "frame" }, h("header", { class: "side" }), h("main", { id: "main", tabindex: "-1" })));
  drawSide();
}

function drawSide() {
  const side = document.querySelector(".side");
  if (!side) return;
  const current = document.querySelector(".nav a[aria-current]")?.dataset.section;
  // Who is in no group has no right to webhooks, and is not shown what leads to nothing.
  const visible = sections.filter(([, , , needsGroup]) => !needsGroup || state.group);
  replace(side,
    h("div", { class: "side-top" }, h("a", { class: "brand", href: at("overview") }, h("img", { src: "icon.svg", alt: "" }), "Hookline"),
      h("button", {
        type: "button", class: "menu-toggle icon-only", "aria-label": "Menu", "aria-expanded": "false",
        onclick: (event) => event.currentTarget.setAttribute("aria-expanded", String(side.classList.toggle("open"))),
      }, icon("menu"))),
    state.group && h("div", { class: "row" }, groupPicker()),
    h("nav", { "aria-label": "Sections" }, h("ul", { class: "nav" }, visible.map(([section, label, picture]) => h("li", {},
      h("a", { href: at(section), "data-section": section, "aria-current": section === current ? "page" : undefined }, icon(picture), label))))),
    h("div", { class: "foot" },
      h("label", { class: "field small" }, h("span", { class: "muted" }, "Appearance"), select(localStorage.getItem("hookline.theme") ?? "", [["", "As the system"], ["light", "Light"], ["dark", "Dark"]], {
        onchange: (event) => {
          localStorage.setItem("hookline.theme", event.target.value);
          applyTheme();
        },
      })),
      h("p", { class: "small muted break" }, "Signed in as ", h("strong", {}, state.me.user_id), state.me.root && " (root)"),
      h("button", { type: "button", onclick: () => signOut() }, "Sign out")));
}

function applyTheme() {
  const theme = localStorage.getItem("hookline.theme");
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

// Signing in and out

function signOut(message) {
  leaving.abort();
  api.useToken(null);
  state.me = state.group = undefined;
  sessionStorage.removeItem("hookline.group");
  document.querySelectorAll("dialog").forEach((element) => element.remove());
  drawSignIn(message);
}

function drawSignIn(message, offered = "") {
  const { box, toggle } = secretInput(offered, { id: "token", autocomplete: "current-password", required: true });
  const fault = h("p", { class: "fault", role: "alert" }, message);
  const button = h("button", { class: "primary" }, "Sign in");
  replace(root, h("main", { class: "signin" },
    h("div", { class: "row" }, h("img", { src: "icon.svg", alt: "" }), h("h1", { tabindex: "-1" }, "Hookline")),
    h("form", {
      class: "card stack", novalidate: true,
      onsubmit: (event) => {
        event.preventDefault();
        if (box.value.trim() === "") {
          fault.textContent = "A token is needed.";
          return box.focus();
        }
        fault.textContent = "";
        busy(button, () => signIn(box.value.trim())).then(() => {
          if (!api.hasToken()) fault.textContent = "This token is not valid here, or it has ended.";
        });
      },
    }, field("Token", "token", box, "It stays in this tab and is gone when you close it.", toggle), fault, button),
    h("div", { class: "stack tight" }, h("p", { class: "muted" }, "A token is made on the machine that Hookline runs on:"),
      command("hookline token --user alice --expires 24h"))));
  document.title = "Sign in · Hookline";
  box.focus();
}

async function signIn(token) {
  api.useToken(token);
  try {
    await start();
  } catch (error) {
    api.useToken(null);
    if (error.status !== 401) throw error;
  }
}

async function start() {
  state.me = await api.get("/me");
  const list = await api.get("/groups?limit=1&order=name&dir=asc");
  const remembered = sessionStorage.getItem("hookline.group");
  state.group = undefined;
  if (list.total > 0) {
    state.group = (remembered && await api.get(`/groups/${remembered}`).catch(() => undefined)) || list.groups[0];
  }
  drawFrame();
  await show();
}

addEventListener("hashchange", () => { if (state.me) show(); });
addEventListener("signed-out", () => { if (state.me) signOut("Your token has ended. Sign in with another one."); });

applyTheme();
// `#token=…`, as `hookline dev` prints it, fills the field; signing in is still a click of one's own, so that a link from
// somebody else cannot sign this browser in as them unnoticed.
const offered = /^#token=([\w.-]+)$/.exec(location.hash)?.[1];
if (offered) history.replaceState(null, "", "./");
if (offered || !api.hasToken()) drawSignIn(undefined, offered);
else start().catch((error) => signOut(error.status === 401 ? "Your token has ended. Sign in with another one." : error.message));
