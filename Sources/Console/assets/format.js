// How numbers and times are shown: in English, as the words around them are, and by a clock of 24 hours.

const language = "en-GB";

const whole = new Intl.NumberFormat(language);
const short = new Intl.NumberFormat(language, { notation: "compact", maximumFractionDigits: 1 });
const one = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
const moment = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const minute = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(language, { month: "short", day: "numeric" });
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });

export const number = (value) => (value >= 100_000 ? short : whole).format(value);
export const decimal = (value) => one.format(value);
export const dateTime = (milliseconds) => moment.format(milliseconds);
/** To the millisecond, in the reader's own zone. */
export const exact = (milliseconds) => {
  const date = new Date(milliseconds - new Date(milliseconds).getTimezoneOffset() * 60_000);
  return date.toISOString().slice(0, 23).replace("T", " ");
};
export const time = (milliseconds) => clock.format(milliseconds);

/** A mark on the axis of a chart that is so long. */
export const mark = (milliseconds, length) => (length > 2 * 86_400_000 ? day : minute).format(milliseconds);

/** @type {{unit: Intl.RelativeTimeFormatUnit, length: number}[]} */
const units = [{ unit: "day", length: 86_400 }, { unit: "hour", length: 3_600 }, { unit: "minute", length: 60 }];

/** How long ago, or how far ahead. */
export function ago(milliseconds, now = Date.now()) {
  const seconds = (milliseconds - now) / 1000;
  const fitting = units.find(({ length }) => Math.abs(seconds) >= length);
  if (fitting) return relative.format(Math.round(seconds / fitting.length), fitting.unit);
  return Math.abs(seconds) < 5 ? "just now" : relative.format(Math.round(seconds), "second");
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

export const triggers = {
  MESSAGE: "Message",
  THING_CREATED: "Thing created",
  THING_REMOVED: "Thing removed",
  THING_FIRST_MESSAGE: "First message",
  THING_SILENT: "Thing silent",
  MEMBER_ADDED: "Member added",
  MEMBER_REMOVED: "Member removed",
  MEMBER_UPDATED: "Member updated",
  MANUAL: "Manual",
};
export const trigger = (kind) => triggers[kind] ?? kind;

/** What to type to publish as a thing. */
export const publishLine = (thing, broker, key = "<key>") =>
  `mosquitto_pub -L ${broker.url}/things/${thing}/messages${broker.url.startsWith("mqtts:") ? " --cafile ca.crt" : ""}${
    broker.has_accounts ? ` -u ${thing} -P '${key}'` : ""
  } -q 1 -m '{"t":21.70}'`;
