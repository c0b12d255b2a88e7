// Where it begins: signing in and out.

import * as api from "./api.js";
import { h, replace } from "./dom.js";
import { field, secretInput } from "./fields.js";
import { applyTheme, drawFrame } from "./frame.js";
import { go, leave, show } from "./router.js";
import { rememberedGroup, setGroup, state } from "./state.js";
import { busy, command } from "./ui.js";

const root = document.getElementById("app");

function signOut(message) {
  leave();
  api.useToken(null);
  state.me = undefined;
  document.querySelectorAll("dialog, .popup").forEach((element) => element.remove());
  drawSignIn(message);
  setGroup(undefined);
}

function drawSignIn(message, offered = "") {
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
  const form = h(
    "form",
    { class: "card stack", novalidate: true, onsubmit: submit },
    field("Token", "token", box, "It stays in this tab and is gone when you close it.", toggle),
    fault,
    button,
  );
  replace(
    root,
    h(
      "main",
      { class: "signin" },
      h("div", { class: "row" }, h("img", { src: "icon.svg", alt: "" }), h("h1", { tabindex: "-1" }, "Hookline")),
      form,
      h(
        "div",
        { class: "stack tight" },
        h("p", { class: "muted" }, "A token is made on the machine that Hookline runs on:"),
        command("hookline token --user alice --expires 24h"),
      ),
    ),
  );
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
addEventListener("hashchange", () => state.me && show());
addEventListener("signed-out", () => state.me && signOut(ended));

applyTheme();
// `#token=…`, as `hookline dev` prints it, fills the field. Signing in is still a click of one's own, so that a link from
// somebody else cannot sign this browser in as them unnoticed.
const offered = /^#token=([\w.-]+)$/.exec(location.hash)?.[1];
if (offered) history.replaceState(null, "", "./");
if (offered || !api.hasToken()) drawSignIn(undefined, offered);
else start().catch((error) => signOut(error.status === 401 ? ended : error.message));
