// How numbers and times are shown: in English, as the words around them are, by a clock of 24 hours, in the zone of the reader's
// choice.

const language = "en-GB";

const whole = new Intl.NumberFormat(language);
const short = new Intl.NumberFormat(language, { notation: "compact", maximumFractionDigits: 1 });
const one = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });

export const number = (value) => (value >= 100_000 ? short : whole).format(value);
export const decimal = (value) => one.format(value);

// Times

const zoneKey = "hookline.zone";

/** The name of the zone that was chosen; empty for the browser's, also if it knows none of that name. */
export function zone() {
  const name = localStorage.getItem(zoneKey) ?? "";
  try {
    formatsOf(name);
    return name;
  } catch {
    return "";
  }
}

/** Those that there are, by name. */
export const zones = () =>
  // Browsers differ in what they call some: the one that was chosen is among them.
  [...new Set([...Intl.supportedValuesOf("timeZone"), zone()])].filter((name) => name !== "" && name !== "UTC").sort();

/** All that is shown follows. */
export function chooseZone(name) {
  if (name === "") localStorage.removeItem(zoneKey);
  else localStorage.setItem(zoneKey, name);
  formats = formatsOf(zone());
  dispatchEvent(new Event("zone-changed"));
}

function formatsOf(name) {
  const timeZone = name === "" ? undefined : name;
  const two = "2-digit";
  /** @type {(options: Intl.DateTimeFormatOptions) => Intl.DateTimeFormat} */
  const by = (options) => new Intl.DateTimeFormat(language, { ...options, timeZone });
  return {
    moment: by({ dateStyle: "medium", timeStyle: "medium" }),
    full: by({
      year: "numeric",
      month: "short",
      day: "numeric",
      hour: two,
      minute: two,
      second: two,
      fractionalSecondDigits: 3,
      timeZoneName: "short",
    }),
    clock: by({ hour: two, minute: two, second: two }),
    minute: by({ hour: two, minute: two }),
    day: by({ month: "short", day: "numeric" }),
    date: by({ dateStyle: "medium" }),
    parts: by({
      hourCycle: "h23",
      year: "numeric",
      month: two,
      day: two,
      hour: two,
      minute: two,
      second: two,
      fractionalSecondDigits: 3,
    }),
  };
}

let formats = formatsOf(zone());

/** `2026-11-26T18:03:11.123`, as a clock in the zone shows it. */
function wall(milliseconds) {
  const part = Object.fromEntries(formats.parts.formatToParts(milliseconds).map(({ type, value }) => [type, value]));
  const { year, month, day, hour, minute, second, fractionalSecond } = part;
  return `${year.padStart(4, "0")}-${month}-${day}T${hour}:${minute}:${second}.${fractionalSecond}`;
}

export const dateTime = (milliseconds) => formats.moment.format(milliseconds);
/** To the millisecond. */
export const exact = (milliseconds) => wall(milliseconds).replace("T", " ");
export const time = (milliseconds) => formats.clock.format(milliseconds);
/** To the millisecond, with the zone. */
export const fullTime = (milliseconds) => formats.full.format(milliseconds);

/** What a control for date and time shows. */
export const clockText = wall;

/** The time that such a control shows; undefined if it shows none. */
export function clockTime(text) {
  const asUTC = Date.parse(`${text}Z`);
  if (Number.isNaN(asUTC)) return undefined;
  const ahead = (milliseconds) => Date.parse(`${wall(milliseconds)}Z`) - milliseconds;
  // How far the zone is ahead depends on the time that is looked for; twice is enough where clocks are changed.
  return asUTC - ahead(asUTC - ahead(asUTC));
}

/** The ways in which a time is shown, by name. */
export const forms = {
  ago: (milliseconds) => ago(milliseconds),
  soon: (milliseconds) => soon(milliseconds),
  dateTime,
  exact,
  time,
  date: (milliseconds) => formats.date.format(milliseconds),
  day: (milliseconds) => formats.day.format(milliseconds),
  minute: (milliseconds) => formats.minute.format(milliseconds),
};

/** How a time on the axis of a chart is shown that is so long. */
export const markForm = (length) => length > 2 * 86_400_000 ? "day" : "minute";
export const mark = (milliseconds, length) => forms[markForm(length)](milliseconds);

/** @type {{unit: Intl.RelativeTimeFormatUnit, length: number}[]} */
const units = [{ unit: "day", length: 86_400 }, { unit: "hour", length: 3_600 }, { unit: "minute", length: 60 }];

/** How long ago, or how far ahead. */
export function ago(milliseconds, now = Date.now()) {
  const seconds = (milliseconds - now) / 1000;
  const fitting = units.find(({ length }) => Math.abs(seconds) >= length);
  if (fitting) return relative.format(Math.round(seconds / fitting.length), fitting.unit);
  return Math.abs(seconds) < 5 ? "just now" : relative.format(Math.round(seconds), "second");
}

/** When something is due; also once that is past. */
export function soon(milliseconds, now = Date.now()) {
  const ahead = milliseconds - now;
  return Math.abs(ahead) >= 5000 ? ago(milliseconds, now) : ahead > 0 ? "in a moment" : "now";
}

export const latency = (milliseconds) =>
  milliseconds === undefined || milliseconds === null
    ? "–"
    : milliseconds >= 1000
    ? `${one.format(milliseconds / 1000)} s`
    : `${one.format(milliseconds)} ms`;

export function bytes(count) {
  return count < 1024
    ? `${count} B`
    : count < 1024 * 1024
    ? `${one.format(count / 1024)} KiB`
    : `${one.format(count / 1048576)} MiB`;
}

/** JSON in lines; anything else as it is. What the values are written like stays: 21.70 is not 21.7. */
export function pretty(text) {
  try {
    if (typeof JSON.parse(text) !== "object") return text;
  } catch {
    return text;
  }
  let [lines, depth] = ["", 0];
  const newLine = () => "\n" + "  ".repeat(depth);
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    if (token === "}" || token === "]") {
      depth -= 1;
      lines = /[{[]\n\s*$/.test(lines) ? lines.trimEnd() + token : lines + newLine() + token;
    } else if (token === "{" || token === "[") {
      depth += 1;
      lines += token + newLine();
    } else lines += token === "," ? token + newLine() : token === ":" ? ": " : token;
  }
  return lines;
}

/** Bytes as the API shows them: `{text}` or `{base64}`. */
export const body = (
  value,
) => (!value ? "" : value.text !== undefined && value.text !== null ? pretty(value.text) : `base64: ${value.base64}`);

/** The same as it was sent, to be copied. */
export const plainBody = (value) => value?.text ?? value?.base64 ?? "";

export const triggers = {
  MESSAGE: "Message",
  LOG_EVENT: "Log event",
  THING_CREATED: "Thing created",
  THING_REMOVED: "Thing removed",
  THING_FIRST_MESSAGE: "First message",
  THING_SILENT: "Thing silent",
  THING_CONNECTED: "Thing connected",
  THING_DISCONNECTED: "Thing disconnected",
  MEMBER_ADDED: "Member added",
  MEMBER_REMOVED: "Member removed",
  MEMBER_UPDATED: "Member updated",
  USER_META_UPDATED: "User metadata",
  USER_SELF_REGISTERED: "First sign-in",
  MANUAL: "Manual",
};
/** What Blynk calls the same. */
const aliases = {
  DEVICE_DATASTREAM_UPDATE: "MESSAGE",
  PRODUCT_DATASTREAM_UPDATE: "MESSAGE",
  GLOBAL_PRODUCT_DATASTREAM_UPDATE: "MESSAGE",
  DEVICE_LOG_EVENT: "LOG_EVENT",
  PRODUCT_LOG_EVENT: "LOG_EVENT",
  GLOBAL_PRODUCT_LOG_EVENT: "LOG_EVENT",
  DEVICE_ADDED: "THING_CREATED",
  DEVICE_DELETED: "THING_REMOVED",
  DEVICE_CONNECTED_FIRST_TIME: "THING_FIRST_MESSAGE",
  FIRST_DEVICE_CONNECTION_IN_ORG: "THING_FIRST_MESSAGE",
  USER_ADDED: "MEMBER_ADDED",
  NEW_USER: "MEMBER_ADDED",
  USER_DELETED: "MEMBER_REMOVED",
  DELETED_USER: "MEMBER_REMOVED",
  UPDATED_USER: "USER_META_UPDATED",
};
export const triggerKind = (name) => aliases[name] ?? name;
export const trigger = (name) => triggers[triggerKind(name)] ?? name;

/** What to type to publish as a thing. */
export const publishLine = (thing, broker, key = "<key>") =>
  `mosquitto_pub -L ${broker.url}/things/${thing}/messages${broker.url.startsWith("mqtts:") ? " --cafile ca.crt" : ""}${
    broker.has_accounts ? ` -u ${thing} -P '${key}'` : ""
  } -q 1 -m '{"t":21.70}'`;
