// Signing in at an identity provider: by authorization code, with proof of the code (RFC 7636). Hookline asks the provider
// for the tokens, so this page never asks anybody else. What belongs to a sign-in is in the tab that began it, and no link
// of somebody else's can end one.

import * as api from "./api.js";
import { h } from "./dom.js";
import { field, secretInput } from "./fields.js";
import { dialog, formDialog } from "./overlays.js";

const sessionKey = "hookline.session";
const pendingKey = "hookline.signing-in";
const windowKey = "hookline.window";
/** Where the provider sends its users back to. */
const home = `${location.origin}${api.base}console/`;
const channel = "hookline.signed-in";

/** `{takes_tokens, provider}`, as the API says it. */
let offer = { takes_tokens: true, provider: undefined };
/** What renews the token, and ends the session at the provider; of a token that was pasted there is nothing. */
let session = JSON.parse(sessionStorage.getItem(sessionKey) ?? "null");

export const provider = () => offer.provider;
export const takesTokens = () => offer.takes_tokens;

/** Asks how one signs in here. */
export async function load() {
  offer = await api.get("/auth");
}

function keep(answer) {
  api.useToken(answer.token);
  session = {
    user: answer.user_id,
    refresh: answer.refresh_token ?? session?.refresh,
    identity: answer.id_token ?? session?.identity,
  };
  sessionStorage.setItem(sessionKey, JSON.stringify(session));
}

export function forget() {
  session = null;
  sessionStorage.removeItem(sessionKey);
}

// The way to the provider and back

const text = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const random = () => text(crypto.getRandomValues(new Uint8Array(32)));
const begin = (place) => ({ state: random(), nonce: random(), verifier: random(), place });

async function address(pending) {
  if (!crypto.subtle) throw new Error("A browser signs in at a provider only over https.");
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(pending.verifier));
  const url = new URL(provider().authorization_endpoint);
  const parameters = {
    response_type: "code",
    client_id: provider().client_id,
    redirect_uri: home,
    scope: provider().scope,
    state: pending.state,
    nonce: pending.nonce,
    code_challenge: text(new Uint8Array(digest)),
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url.href;
}

/** Leaves for the provider, which sends the browser back to this place. */
export async function leaveToSignIn() {
  const pending = begin(location.hash);
  const url = await address(pending);
  sessionStorage.setItem(pendingKey, JSON.stringify(pending));
  location.assign(url);
}

/** What the provider has put into the address, which is taken out of it; undefined if it is not from there. */
export function takeReturn() {
  const parameters = new URLSearchParams(location.search);
  const state = parameters.get("state");
  if (!parameters.has("error") && !(parameters.has("code") && state !== null)) return undefined;
  history.replaceState(null, "", home + location.hash);
  const fault = parameters.get("error_description") ?? parameters.get("error");
  return { state, code: parameters.get("code"), fault };
}

/** Ends what this tab began; false if it was another, which is told. */
export async function comeBack(returned) {
  const pending = JSON.parse(sessionStorage.getItem(pendingKey) ?? "null");
  sessionStorage.removeItem(pendingKey);
  // What stands in an address that nothing shows to be an answer is not repeated.
  if (returned.state === null) throw new Error("The identity provider did not sign you in.");
  if (pending?.state !== returned.state) {
    new BroadcastChannel(channel).postMessage(returned);
    return false;
  }
  history.replaceState(null, "", home + pending.place);
  await exchange(returned, pending);
  return true;
}

async function exchange(returned, pending) {
  if (returned.code === null) throw new Error(`The identity provider says: ${returned.fault}`);
  keep(
    await api.post("/auth/token", {
      code: returned.code,
      code_verifier: pending.verifier,
      redirect_uri: home,
      nonce: pending.nonce,
    }),
  );
}

/** Where the provider ends its session; undefined if there is none there. */
export function signOutAddress() {
  const end = provider()?.end_session_endpoint;
  if (!session || !end) return undefined;
  const url = new URL(end);
  if (session.identity) url.searchParams.set("id_token_hint", session.identity);
  url.searchParams.set("client_id", provider().client_id);
  url.searchParams.set("post_logout_redirect_uri", home);
  return url.href;
}

// A session that ends while it is used

let renewing;

/**
 * Gets a new token in the place of one that has ended: by the session's refresh token, or, if there is a page to be kept, by
 * signing in again in a window of its own, while the page stays as it is.
 *
 * @param page `{me, isUnsaved}` of the page that is shown, if one is.
 * @returns whether there is one now; undefined if the user wants to sign in later.
 */
export function renew(ended, page) {
  const isPasted = !session || !provider();
  // There is nothing to be kept of a page that nothing has been filled in on.
  if (isPasted && !page?.isUnsaved) return Promise.resolve(false);
  if (api.currentToken() !== ended) return Promise.resolve(true);
  renewing ??= (isPasted ? askForToken(page.me) : refresh().then((isDone) => isDone || (page && signInAgain())))
    .finally(() => renewing = undefined);
  return renewing;
}

/** Asks for another token of the same user. */
function askForToken(me) {
  const { box, toggle } = secretInput("", { autocomplete: "current-password", required: true });
  return formDialog(
    "Your token has ended",
    [
      h("p", {}, "Give another one to go on where you are. What you have filled in stays."),
      field("Token", "token", box, undefined, toggle),
    ],
    "Go on",
    async () => {
      const token = box.value.trim();
      const owner = await api.ownerOf(token);
      if (!owner) throw new api.Refusal(401, "This token is not valid here, or it has ended.", "token");
      // Somebody else has nothing to do with what is on this page.
      if (owner.user_id !== me.user_id || owner.key?.id !== me.key?.id) {
        throw new api.Refusal(
          401,
          `This is a token of ${owner.key?.name ?? owner.user_id}, who has not filled this in.`,
          "token",
        );
      }
      api.useToken(token);
    },
    true,
  );
}

async function refresh() {
  if (!session.refresh) return false;
  try {
    const user = session.user;
    const answer = await api.post("/auth/token", { refresh_token: session.refresh });
    if (answer.user_id !== user) return false;
    keep(answer);
    return true;
  } catch {
    // It has ended too, or the provider is away; one can still sign in again.
    return false;
  }
}

/** Whether this is a window that another one has opened to sign in again. */
export const isWindow = () => sessionStorage.getItem(windowKey) !== null;

function openWindow(url) {
  // A window begins with a copy of what is stored; that is all it knows of the one that has opened it.
  sessionStorage.setItem(windowKey, "");
  open(url, "_blank", "popup,width=520,height=720");
  sessionStorage.removeItem(windowKey);
}

async function signInAgain() {
  const pending = begin(location.hash);
  const user = session.user;
  const url = await address(pending);
  const answers = new BroadcastChannel(channel);
  return dialog("Your session has ended", (close) => {
    const fault = h("p", { class: "fault", role: "alert" });
    answers.addEventListener("message", async ({ data }) => {
      if (data.state !== pending.state) return;
      try {
        await exchange(data, pending);
        // Somebody else has nothing to do with what is on this page.
        if (session.user !== user) location.reload();
        else close(true);
      } catch (error) {
        fault.textContent = error.message;
      }
    });
    return h(
      "div",
      { class: "inside" },
      h("p", {}, "Sign in again to go on where you are. What you have filled in stays."),
      fault,
      h(
        "div",
        { class: "actions" },
        h("button", { type: "button", onclick: () => close(false) }, "Sign out"),
        h("button", {
          type: "button",
          class: "primary",
          autofocus: true,
          onclick: () => openWindow(url),
        }, "Sign in again"),
      ),
    );
  }).finally(() => answers.close());
}
