// Where it begins: signing in and out.

import * as api from "./api.js";
import { h, replace } from "./dom.js";
import { field, secretInput } from "./fields.js";
import { applyTheme, drawFrame } from "./frame.js";
import { follow, go, holdsUnsaved, leave, show } from "./router.js";
import * as session from "./session.js";
import { rememberedGroup, setGroup, state } from "./state.js";
import { busy, command, loading } from "./ui.js";

const root = document.getElementById("app");

function signOut(message) {
  leave();
  // Who wants to leave leaves the provider as well; whose session has ended is not asked there.
  const elsewhere = message === undefined ? session.signOutAddress() : undefined;
  api.useToken(null);
  session.forget();
  state.me = undefined;
  document.querySelectorAll("dialog, .popup").forEach((element) => element.remove());
  drawSignIn(message);
  setGroup(undefined);
  if (elsewhere) location.assign(elsewhere);
}

function drawSignIn(message, offered = "") {
  const provider = session.provider();
  const parts = provider
    ? [
      providerForm(provider, message),
      session.takesTokens() && h("details", {}, h("summary", {}, "Sign in with a token"), tokenForm("", offered)),
    ]
    : [tokenForm(message, offered), hint()];
  replace(
    root,
    h(
      "main",
      { class: "signin" },
      h("div", { class: "row" }, h("img", { src: "icon.svg", alt: "" }), h("h1", { tabindex: "-1" }, "Hookline")),
      parts,
    ),
  );
  document.title = "Sign in · Hookline";
  const first = /** @type {HTMLElement} */ (root.querySelector(provider ? ".signin button" : "#token"));
  first.focus();
}

function providerForm(provider, message) {
  const fault = h("p", { class: "fault", role: "alert" }, message ?? provider.problem);
  const button = h("button", {
    class: "primary",
    onclick: () =>
      busy(button, async () => {
        if (!session.provider().authorization_endpoint) await session.load();
        if (session.provider().authorization_endpoint) await session.leaveToSignIn();
        else fault.textContent = session.provider().problem;
      }),
  }, "Sign in");
  const where = h("p", { class: "muted break" }, `You sign in at ${new URL(provider.issuer).host}.`);
  return h("div", { class: "card stack" }, where, fault, button);
}

const hint = () =>
  h(
    "div",
    { class: "stack tight" },
    h("p", { class: "muted" }, "A token is made on the machine that Hookline runs on:"),
    command("hookline token --user alice --expires 24h"),
  );

function tokenForm(message, offered) {
  const { box, toggle } = secretInput(offered, { id: "token", autocomplete: "current-password", required: true });
  const fault = h("p", { class: "fault", role: "alert" }, message);
  const button = h("button", { class: "primary" }, "Sign in");
  const submit = async (event) => {
    event.preventDefault();
    const token = box.value.trim();
    fault.textContent = token === "" ? "A token is needed." : "";
    if (token === "") return box.focus();
    await busy(button, () => signIn(token));
    if (!api.hasToken()) fault.textContent = "This token is not valid here, or it has ended.";
  };
  return h(
    "form",
    { class: "card stack", novalidate: true, onsubmit: submit },
    field("Token", "token", box, "It stays in this tab and is gone when you close it.", toggle),
    fault,
    button,
  );
}

/** What is shown in a window that another one has opened to sign in again. */
function drawPassedOn() {
  replace(
    root,
    h(
      "main",
      { class: "signin" },
      h("h1", { tabindex: "-1" }, "You can close this window"),
      h("p", {}, "You go on where you were. If that is gone, ", h("a", { href: "./" }, "open Hookline here"), "."),
    ),
  );
  // Only a window that a script has opened may be closed by one.
  if (session.isWindow()) close();
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
  const me = await api.get("/me");
  const list = await api.get("/groups?limit=1&order=name&dir=asc");
  const remembered = rememberedGroup();
  const known = list.total > 0 && remembered && await api.get(`/groups/${remembered}`).catch(() => undefined);
  state.me = me;
  setGroup(known || list.groups[0]);
  drawFrame(root, { go, signOut });
  await show();
}

const ended = "Your token has ended. Sign in with another one.";
const sessionEnded = "Your session has ended. Sign in again.";
const endedOf = () => session.provider() ? sessionEnded : ended;
api.renewBy((token) => session.renew(token, state.me && { me: state.me, isUnsaved: holdsUnsaved() }));
addEventListener("hashchange", () => state.me && follow());
addEventListener("signed-out", () => state.me && signOut(endedOf()));

async function open() {
  // `#token=…`, as `hookline dev` prints it, fills the field. Signing in is still a click of one's own, so that a link from
  // somebody else cannot sign this browser in as them unnoticed.
  const offered = /^#token=([\w.-]+)$/.exec(location.hash)?.[1];
  if (offered) history.replaceState(null, "", "./");
  const returned = session.takeReturn();
  // A provider that is away is waited for.
  replace(root, h("main", { class: "signin" }, h("h1", {}, "Hookline"), loading()));
  let fault;
  try {
    await session.load();
    if (returned && !await session.comeBack(returned)) return drawPassedOn();
  } catch (error) {
    fault = error.message;
  }
  if (offered || !api.hasToken()) return drawSignIn(fault, offered);
  await start().catch((error) => signOut(error.status === 401 ? endedOf() : error.message));
}

// As elsewhere, a slash leads to what the page can be searched by.
addEventListener("keydown", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) {
    return;
  }
  if (target.closest("input, textarea, select, [contenteditable]")) return;
  const search = /** @type {HTMLInputElement | null} */ (document.querySelector("main input[type=search]"));
  if (!search) return;
  event.preventDefault();
  search.focus();
  search.select();
});

applyTheme();
open();
