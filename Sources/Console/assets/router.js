// Which page is shown. Places are behind the `#`: #/<group>/webhooks, #/webhook/<id>, #/org/<id>.

import * as api from "./api.js";
import { h, replace } from "./dom.js";
import { changedForms, settle } from "./fields.js";
import { markSection } from "./frame.js";
import { refreshGroups } from "./groups.js";
import { closeForms, confirmLeaving } from "./overlays.js";
import { at, can, setGroup, state } from "./state.js";
import { failure, loading } from "./ui.js";

const id = "([0-9a-f-]{36})";

/**
 * Addresses, and what is shown there. A page of one thing finds its group by it: `owner` is what to read. Organizations are in no
 * group: the one at hand stays.
 *
 * @type {[string, (...parts: string[]) => {section: string, module: string, group?: string, org?: string, owner?: string}][]}
 */
const pages = [
  [
    `/${id}/(overview|webhooks|alarms|things|sources|notices|keys|members|org|audit|broker)`,
    (group, section) => ({ section, module: section, group }),
  ],
  [`/${id}/log`, (group) => ({ section: "log", module: "grouplog", group })],
  [`/${id}/webhooks/new`, (group) => ({ section: "webhooks", module: "webhookform", group })],
  [`/${id}/sources/new`, (group) => ({ section: "sources", module: "sourceform", group })],
  [`/webhook/${id}`, (id) => ({ section: "webhooks", module: "webhook", owner: `/webhooks/${id}` })],
  [`/webhook/${id}/edit`, (id) => ({ section: "webhooks", module: "webhookform", owner: `/webhooks/${id}` })],
  [`/thing/${id}`, (id) => ({ section: "things", module: "thing", owner: `/things/${id}` })],
  [`/source/${id}`, (id) => ({ section: "sources", module: "source", owner: `/sources/${id}` })],
  [`/source/${id}/edit`, (id) => ({ section: "sources", module: "sourceform", owner: `/sources/${id}` })],
  [`/org/${id}`, (org) => ({ section: "org", module: "org", org })],
  [`/org/${id}/new`, (org) => ({ section: "org", module: "webhookform", org })],
  [`/org-webhook/${id}`, (id) => ({ section: "org", module: "orgwebhook", owner: `/org-webhooks/${id}` })],
  [`/org-webhook/${id}/edit`, (id) => ({ section: "org", module: "webhookform", owner: `/org-webhooks/${id}` })],
  ["/orgs", () => ({ section: "org", module: "orgs" })],
  ["/groups", () => ({ section: "members", module: "members" })],
];

const modules = {
  overview: () => import("./overview.js"),
  alarms: () => import("./alarms.js"),
  webhooks: () => import("./webhooks.js"),
  webhook: () => import("./webhook.js"),
  webhookform: () => import("./webhookform.js"),
  things: () => import("./things.js"),
  thing: () => import("./thing.js"),
  sources: () => import("./sources.js"),
  source: () => import("./source.js"),
  sourceform: () => import("./sourceform.js"),
  notices: () => import("./notices.js"),
  keys: () => import("./keys.js"),
  members: () => import("./members.js"),
  org: () => import("./org.js"),
  orgs: () => import("./org.js").then(({ showAll }) => ({ show: showAll })),
  orgwebhook: () => import("./orgwebhook.js"),
  audit: () => import("./audit.js"),
  broker: () => import("./broker.js"),
  grouplog: () => import("./grouplog.js"),
};

function pageAt(path) {
  for (const [pattern, page] of pages) {
    const match = new RegExp(`^${pattern}$`).exec(path);
    if (match) return page(...match.slice(1));
  }
}

let leaving = new AbortController();
/** The address of the page. */
let shown = "";

/** Whether there is something on the page, or in a dialog above it, that would be lost. */
export const holdsUnsaved = () => changedForms(document).length > 0;

addEventListener("beforeunload", (event) => holdsUnsaved() && event.preventDefault());

/** Shows the page of the address, unless there is something on this one that is to be kept. */
export async function follow() {
  if (holdsUnsaved() && location.hash !== shown) {
    const wanted = location.hash;
    history.replaceState(null, "", shown);
    if (!await confirmLeaving()) return;
    changedForms(document).forEach(settle);
    if (wanted !== location.hash) return go(wanted);
  }
  await show();
}

/** Ends what the page that is shown still waits for. */
export const leave = () => {
  leaving.abort();
};

/** Shows the page of the address. */
export async function show() {
  leave();
  closeForms();
  shown = location.hash;
  leaving = new AbortController();
  const { signal } = leaving;
  const [path, queryText] = location.hash.slice(1).split("?");
  const query = Object.fromEntries(new URLSearchParams(queryText ?? ""));
  const page = pageAt(path);
  if (!page) return go(at("overview"), true);
  const main = document.querySelector("main");
  replace(main, loading());
  try {
    const content = await open(page, query, signal);
    if (signal.aborted) return;
    replace(main, content);
  } catch (error) {
    if (error.name === "AbortError" || signal.aborted) return;
    const title = error.status === 404 ? "Not found" : "That did not work";
    replace(main, h("h1", { tabindex: "-1" }, title), failure(error, show));
  }
  const heading = main.querySelector("h1");
  document.title = `${heading?.textContent ?? "Hookline"} · Hookline`;
  heading?.focus({ preventScroll: true });
  scrollTo(0, 0);
}

async function open(page, query, signal) {
  const { section, module, group, org, owner } = page;
  const item = owner && await api.get(owner, signal);
  const wanted = group ?? item?.group_id;
  if (wanted && state.group?.id !== wanted) setGroup(await api.get(`/groups/${wanted}`, signal));
  markSection(section);
  const { show: showPage } = await modules[module]();
  signal.throwIfAborted();
  return showPage({
    me: state.me,
    group: state.group,
    org,
    item,
    query,
    signal,
    can,
    at,
    go,
    setQuery,
    refreshGroups,
  });
}

/** Goes to another place of the console. */
export function go(hash, replaces = false) {
  if (location.hash === hash) return void show();
  if (replaces) {
    history.replaceState(null, "", hash);
    show();
  } else location.hash = hash;
}

/** Notes in the address what a list shows, so that it can be kept and sent, without opening the page again. */
function setQuery(values) {
  history.replaceState(null, "", location.hash.split("?")[0] + api.query(values));
  shown = location.hash;
}
