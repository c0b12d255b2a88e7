// The API, as this page uses it. The token is in this tab alone: it is sent in a header, never as a cookie, so no other site can
// make this browser act for its user.

import { read, write } from "./rawjson.js";

const tokenKey = "hookline.token";

/** The folder that the API is in, seen from `…/console/`. */
export const base = new URL("../", document.baseURI).pathname;

let token = sessionStorage.getItem(tokenKey);

export const hasToken = () => token !== null;
export const currentToken = () => token;

/** Gets a new token in the place of one that has ended: true if there is one, undefined if there may be one later. */
let renew = (_ended) => /** @type {Promise<boolean | undefined>} */ (Promise.resolve(false));

export function renewBy(work) {
  renew = work;
}

export function useToken(text) {
  token = text;
  if (text === null) sessionStorage.removeItem(tokenKey);
  else sessionStorage.setItem(tokenKey, text);
}

/** Something that the server did not do, in its own words. */
export class Refusal extends Error {
  constructor(status, message, field, rows) {
    super(message);
    this.status = status;
    this.field = field;
    this.rows = rows;
  }
}

/** Of a body that is not JSON the text and its type. */
class Plain {
  constructor(text, type) {
    this.text = text;
    this.type = type;
  }
}

/** Whose token this is, as `/me` has it; undefined if it is none that is good here. */
export async function ownerOf(token) {
  const response = await fetch(`${base}me`, {
    cache: "no-store",
    credentials: "omit",
    headers: { authorization: `Bearer ${token}` },
  });
  return response.ok ? await response.json() : undefined;
}

async function send(method, path, body, signal) {
  const isPlain = body instanceof Plain;
  try {
    return await fetch(base + path.replace(/^\//, ""), {
      method,
      signal,
      cache: "no-store",
      credentials: "omit",
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": isPlain ? body.type : "application/json" }),
      },
      body: isPlain ? body.text : body === undefined ? undefined : write(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, "Hookline cannot be reached. Is it running?");
  }
}

async function request(method, path, body, signal) {
  const used = token;
  let response = await send(method, path, body, signal);
  let isOver = response.status === 401;
  if (isOver && used !== null) {
    const isRenewed = await renew(used);
    signal?.throwIfAborted();
    if (isRenewed) response = await send(method, path, body, signal);
    isOver = response.status === 401 && isRenewed !== undefined;
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  const refusal = new Refusal(
    response.status,
    problem.error ?? `status ${response.status}`,
    problem.field,
    problem.rows,
  );
  if (isOver) dispatchEvent(new CustomEvent("signed-out", { detail: refusal.message }));
  throw refusal;
}

async function call(method, path, body, signal) {
  const response = await request(method, path, body, signal);
  return response.status === 204 ? undefined : read(await response.text());
}

/** The API as it describes itself. */
export const description = async (signal) => (await request("GET", "/openapi.json", undefined, signal)).json();

export const get = (path, signal) => call("GET", path, undefined, signal);
export const post = (path, body, signal) => call("POST", path, body, signal);
export const postText = (path, text, type, signal) => call("POST", path, new Plain(text, type), signal);
export const put = (path, body, signal) => call("PUT", path, body, signal);
export const remove = (path, body) => call("DELETE", path, body);

/** `?a=1&b=2`, without what is empty. */
export function query(values) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== null && value !== "") parameters.set(name, value);
  }
  const text = parameters.toString();
  return text === "" ? "" : `?${text}`;
}

/** All pages of a list, up to so many things. */
export async function all(path, key, signal, most = 1000) {
  const items = [];
  let cursor;
  while (true) {
    const page = await get(`${path}${query({ limit: 200, cursor, order: "name", dir: "asc" })}`, signal);
    items.push(...page[key]);
    cursor = page.next;
    if (cursor === undefined || items.length >= most) return items;
  }
}

/** The server-sent events of one answer: `{event, data}`, with the data read as an answer is. `heard` is told of whatever comes. */
export async function* events(method, path, body, signal, heard = () => {}) {
  const response = await request(method, path, body, signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    heard();
    text += value;
    let end;
    while ((end = text.indexOf("\n\n")) >= 0) {
      const lines = text.slice(0, end).split("\n");
      text = text.slice(end + 2);
      const field = (name) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      const data = field("data");
      if (data !== undefined) yield { event: field("event"), data: read(data) };
    }
  }
}

/** Streams say something every two seconds; after so many without a word they are taken for lost. */
const longestSilence = 10_000;

/** Follows a stream of events for as long as the page shows it, and connects again when it ends or says nothing. */
export async function follow(path, signal, onEvent) {
  let wait = 1000;
  while (!signal.aborted) {
    const silence = new AbortController();
    let timer;
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), longestSilence);
    };
    heard();
    try {
      for await (
        const event of events("GET", path, undefined, AbortSignal.any([signal, silence.signal]), heard)
      ) {
        wait = 1000;
        onEvent(event);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refusal && [401, 403, 404].includes(error.status)) {
        onEvent({ event: "unavailable", data: { error: error.message } });
        return;
      }
      onEvent({
        event: "unavailable",
        data: {
          error: error instanceof Refusal
            ? error.message
            : silence.signal.aborted
            ? "Hookline does not answer."
            : "The connection was lost.",
        },
      });
    } finally {
      clearTimeout(timer);
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
    wait = Math.min(wait * 2, 15_000);
  }
}
