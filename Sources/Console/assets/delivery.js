// One delivery: the request, its attempts, and two of them side by side.

import { get } from "./api.js";
import { h, icon, replace } from "./dom.js";
import { select } from "./fields.js";
import { body, exact, latency, plainBody } from "./format.js";
import { table, tableRow } from "./lists.js";
import { textOf } from "./rawjson.js";
import { answerHeaders, headerLines, requestView } from "./testing.js";
import { copyable, identity, later, timeOf } from "./ui.js";

const badge = (attempt) =>
  h(
    "span",
    { class: `badge ${attempt.status === "OK" ? "good" : "bad"}` },
    attempt.status === "OK" ? "OK" : attempt.response ? `Failed ${attempt.response}` : "Failed",
  );

/** What `GET /deliveries/{id}` says. */
export const deliveryView = (delivery) =>
  h(
    "div",
    { class: "stack" },
    h(
      "div",
      { class: "row" },
      delivery.thing_id &&
        h(
          "span",
          {},
          "From thing ",
          delivery.thing_name ? h("a", { href: `#/thing/${delivery.thing_id}` }, delivery.thing_name) : "",
          identity(delivery.thing_id, "the thing's id"),
          delivery.thing_name &&
            h("a", { href: `#/thing/${delivery.thing_id}?why` }, "Why its messages arrive, or do not"),
        ),
      delivery.subtopic && h("span", {}, "on ", h("code", {}, delivery.subtopic)),
      h("span", { class: "muted" }, "received ", timeOf(delivery.received_at)),
      delivery.due_at && h("span", { class: "muted" }, "next attempt ", timeOf(delivery.due_at)),
      delivery.failure && h("span", { class: "fault" }, delivery.failure),
    ),
    delivery.mqtt !== undefined &&
      h(
        "p",
        { class: "small break" },
        "Said of itself (MQTT 5): ",
        h("code", {}, textOf(delivery.mqtt)),
      ),
    delivery.attempts.map(attemptView),
    delivery.attempts.length === 0 && h("p", { class: "muted" }, "No attempt was made yet."),
    delivery.attempts.length > 1 && comparison(delivery.attempts),
    delivery.request
      ? h("div", { class: "stack tight" }, h("h3", {}, "Request"), requestView(delivery.request))
      : h("p", { class: "muted" }, "The message is no longer kept, so the request cannot be shown."),
  );

const attemptView = (attempt) =>
  h(
    "div",
    { class: "card stack tight" },
    h(
      "div",
      { class: "row" },
      h("h3", {}, `Attempt ${attempt.number}`),
      badge(attempt),
      h("span", { class: "muted" }, timeOf(attempt.date), `, ${latency(attempt.latency_ms)}`),
    ),
    h("p", { class: "small break" }, attempt.url),
    attempt.error && h("p", { class: "fault" }, attempt.error),
    attempt.body &&
      copyable(
        `Answer to attempt ${attempt.number}`,
        body(attempt.body) || "(empty)",
        `the answer to attempt ${attempt.number}`,
        plainBody(attempt.body),
      ),
    attempt.headers && answerHeaders(attempt.headers, `the answer to attempt ${attempt.number}`),
    attempt.is_outdated &&
      h(
        "p",
        { class: "hint" },
        "The webhook was changed since: the request shown below may differ from what was sent.",
      ),
  );

/**
 * What can differ between two attempts, and how it is shown.
 *
 * @type {{label: string, read: (attempt: any) => any, show?: (attempt: any) => any}[]}
 */
const compared = [
  { label: "Made at", read: (attempt) => exact(attempt.date), show: (attempt) => timeOf(attempt.date) },
  { label: "Answer", read: (attempt) => attempt.response ?? "none" },
  { label: "Latency", read: (attempt) => latency(attempt.latency_ms) },
  { label: "Request to", read: (attempt) => attempt.url },
  { label: "Messages", read: (attempt) => attempt.items },
  { label: "What went wrong", read: (attempt) => attempt.error ?? "nothing" },
  { label: "Headers of the answer", read: (attempt) => headerLines(attempt.headers) || "none kept" },
  { label: "What was answered", read: (attempt) => body(attempt.body) || "nothing" },
];

function comparison(attempts) {
  const options = attempts.map((attempt, index) => [String(index), `Attempt ${attempt.number}`]);
  const place = h("div", {});
  const draw = () => {
    const [one, other] = [attempts[Number(left.value)], attempts[Number(right.value)]];
    replace(
      place,
      table({
        label: "Two attempts",
        columns: [{ label: "Of it", class: "fit" }, { label: `Attempt ${one.number}` }, {
          label: `Attempt ${other.number}`,
        }],
        rows: compared.map(({ label, read, show = read }) => {
          const [a, b] = [String(read(one)), String(read(other))];
          return [
            a === b ? h("span", { class: "muted" }, label) : h("strong", {}, label),
            h("span", { class: "break small lines" }, show(one)),
            h("span", { class: "break small lines" }, show(other)),
          ];
        }),
      }),
    );
  };
  const left = select("0", options, { "aria-label": "One attempt", onchange: () => draw() });
  const right = select(String(attempts.length - 1), options, {
    "aria-label": "Another attempt",
    onchange: () => draw(),
  });
  draw();
  return h(
    "details",
    {},
    h("summary", {}, "Compare two attempts"),
    h("div", { class: "stack" }, h("div", { class: "row" }, left, right), place),
  );
}

/** What opens a row of a log, and the row below it, which shows the delivery once that is done. */
export function unfolding(entry, columns, signal) {
  const detail = tableRow([{ label: "", hides: true }], [], { class: "detail", hidden: true });
  const open = h("button", {
    type: "button",
    class: "quiet icon-only",
    "aria-expanded": "false",
    "aria-label": `Details of ${entry.trigger_id}`,
    onclick: () => {
      detail.hidden = !detail.hidden;
      open.setAttribute("aria-expanded", String(!detail.hidden));
      replace(open, icon(detail.hidden ? "right" : "fold"));
      if (detail.hidden) return;
      const shown = later(get(`/deliveries/${entry.trigger_id}`, signal), deliveryView);
      replace(detail, h("td", { colspan: columns.length }, shown));
    },
  }, icon("right"));
  return [open, detail];
}
