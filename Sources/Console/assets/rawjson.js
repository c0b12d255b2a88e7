// JSON of users, as they wrote it. A script's numbers hold 15 digits and forget a trailing zero, and its objects have an order of their
// own, so what is a user's keeps its text from the API's answer to the page and back.

/** A value as it was written. */
export class Written {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
  }

  /** As near as a script comes to it. */
  get value() {
    return JSON.parse(this.text);
  }

  /** The same object with these members in place of its own of that name, or behind them. */
  changed(members) {
    const parts = new Map(partsOf(this.text));
    for (const [name, value] of Object.entries(members)) parts.set(name, write(value));
    return new Written(`{${[...parts].map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(",")}}`);
  }
}

/** What a user has typed, if it is JSON; or else undefined. */
export function typed(text) {
  try {
    JSON.parse(text);
  } catch {
    return undefined;
  }
  return new Written(text.trim());
}

/** The text of a value, be it one of users' or not. */
export const textOf = (value) => (value instanceof Written ? value.text : JSON.stringify(value));

/** Members of the API's answers that are users' own, whatever they are in. */
const own = new Set([
  "metadata",
  "config",
  "sample",
  "schema",
  "value",
  "equals",
  "before",
  "after",
  "mqtt",
  "decoded",
]);
const mayHaveOwn = new RegExp(`"(?:${[...own].join("|")})"\\s*:`);

/** Reads an answer. What is users' own is `Written`, unless it is a text or nothing. */
export function read(text) {
  if (!mayHaveOwn.test(text)) return JSON.parse(text);
  const reader = new Reader(text);
  const value = reader.value();
  reader.end();
  return value;
}

/** Writes a request. What is `Written` is written as it is. */
export function write(value) {
  if (value instanceof Written) return value.text;
  if (Array.isArray(value)) return `[${value.map((each) => write(each ?? null)).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value).filter(([, each]) => each !== undefined);
  return `{${members.map(([name, each]) => `${JSON.stringify(name)}:${write(each)}`).join(",")}}`;
}

/** What an object or array consists of: names or numbers, each with its text. Nothing of anything else. */
export const partsOf = (text) => new Reader(text).parts();

const token = /\s*("[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+)/y;

class Reader {
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  /** The next token, of which `start` is the place. */
  next() {
    token.lastIndex = this.at;
    const found = token.exec(this.text);
    if (!found) throw new SyntaxError("This is no JSON.");
    this.at = token.lastIndex;
    this.start = this.at - found[1].length;
    return found[1];
  }

  end() {
    if (this.text.slice(this.at).trim() !== "") throw new SyntaxError("This is no JSON.");
  }

  value() {
    const first = this.next();
    if (first === "[") {
      const values = [];
      this.each("]", () => values.push(this.value()));
      return values;
    }
    if (first !== "{") return JSON.parse(first);
    const members = [];
    this.each("}", () => members.push(this.member()));
    return Object.fromEntries(members);
  }

  member() {
    const name = JSON.parse(this.next());
    this.next();
    if (!own.has(name)) return [name, this.value()];
    const text = this.skip();
    return [name, text === "null" || text.startsWith('"') ? JSON.parse(text) : new Written(text)];
  }

  /** Goes past a value; its text. */
  skip() {
    let [depth, start] = [0, undefined];
    do {
      const part = this.next();
      start ??= this.start;
      if (part === "{" || part === "[") depth += 1;
      if (part === "}" || part === "]") depth -= 1;
    } while (depth > 0);
    return this.text.slice(start, this.at);
  }

  /** Does something at each part of what has begun, until it has ended. */
  each(end, work) {
    const empty = this.at;
    if (this.next() === end) return;
    this.at = empty;
    do work(); while (this.next() === ",");
  }

  parts() {
    const parts = [];
    const first = this.next();
    if (first === "[") this.each("]", () => parts.push([parts.length, this.skip()]));
    if (first === "{") {
      this.each("}", () => {
        const name = JSON.parse(this.next());
        this.next();
        parts.push([name, this.skip()]);
      });
    }
    return parts;
  }
}
