// The log of a whole group: what became of every delivery, and finding one.

import { all, get, query } from "./api.js";
import { deliveryView, unfolding } from "./delivery.js";
import { h, replace } from "./dom.js";
import { debounced, field, input } from "./fields.js";
import { exact, latency } from "./format.js";
import { choices, pager, refreshButton, table, tableRow, turn } from "./lists.js";
import { attempt, copyButton, empty, head, loading } from "./ui.js";

const columns = [
  { label: "Details", hides: true, class: "fit" },
  { label: "Status", class: "fit" },
  { label: "Date", class: "fit" },
  { label: "Webhook", class: "fit" },
  { label: "Thing", class: "fit" },
  { label: "Request to" },
  { label: "Answer", class: "fit" },
  { label: "Latency", class: "number fit" },
  { label: "Attempt", class: "number fit" },
  { label: "Trigger id", class: "fit" },
];

const badges = {
  OK: ["good", "OK"],
  WAITING: ["wait", "Waiting"],
  SKIPPED: ["", "Skipped"],
  FAILED: ["bad", "Failed"],
};

/** A page of the log brings at the most so many names along. */
const mostNames = 600;

export async function show({ group, signal, query: asked, setQuery }) {
  const state = {
    status: asked.status ?? "",
    webhook: asked.webhook ?? "",
    thing: asked.thing ?? "",
    text: asked.text ?? "",
    from: "",
    to: "",
    offset: 0,
    limit: 25,
  };
  const [webhooks, things] = await Promise.all([
    all(`/groups/${group.id}/webhooks`, "webhooks", signal, mostNames),
    all(`/groups/${group.id}/things`, "things", signal, mostNames),
  ]);
  const named = (list) => Object.fromEntries(list.map((each) => [each.id, each.name]));
  const names = { webhook: named(webhooks), thing: named(things) };
  const link = (kind, id) =>
    id ? h("a", { href: `#/${kind}/${id}` }, names[kind][id] ?? id.slice(0, 8)) : h("span", { class: "muted" }, "–");
  const list = h("div", {}, loading());
  const time = (text) => text && new Date(text).getTime();

  const load = (changes = {}) => {
    turn(state, changes);
    const { status, webhook, thing, text, from, to, offset, cursor, limit } = state;
    setQuery({ status, webhook, thing, text });
    return attempt(list, async () => {
      // Who has an id of a delivery wants that one, whenever it was.
      if (/^msg_\w+$/.test(text)) return drawOne(await get(`/deliveries/${text}`, signal));
      const place = webhook ? `/webhooks/${webhook}/log` : `/groups/${group.id}/log`;
      const wanted = { status, thing, text, from: time(from), to: time(to), offset, cursor, limit };
      draw(await get(`${place}${query(wanted)}`, signal));
    });
  };

  const drawOne = (delivery) =>
    replace(
      list,
      h("p", {}, "Delivered to ", link("webhook", delivery.webhook_id), "."),
      deliveryView(delivery),
    );

  const draw = (page) =>
    replace(
      list,
      page.log.length === 0
        ? empty(
          "Nothing here",
          page.next ? "Nothing so far; there is more to look through." : "Nothing that these filters leave.",
        )
        : table({ label: "Log", columns, rows: page.log.flatMap(rows) }),
      (page.log.length > 0 || page.next) && pager(page, load, "of the log"),
    );

  const rows = (entry) => {
    const [open, detail] = unfolding(entry, columns, signal);
    const [kind, text] = badges[entry.status] ?? ["", entry.status];
    return [
      tableRow(columns, [
        open,
        h("span", { class: `badge ${kind}` }, text),
        h("time", { datetime: new Date(entry.date).toISOString() }, exact(entry.date)),
        link("webhook", entry.webhook_id),
        link("thing", entry.thing_id),
        h("span", { class: "break small" }, entry.url ?? "–", entry.items > 1 ? ` (${entry.items} messages)` : ""),
        entry.response ?? h("span", { class: "muted small break" }, entry.error ?? "–"),
        latency(entry.latency_ms),
        entry.attempt,
        h(
          "span",
          { class: "row tight" },
          h("code", {}, entry.trigger_id),
          copyButton(entry.trigger_id, "the trigger id"),
        ),
      ]),
      detail,
    ];
  };

  const choice = choices(state, load);
  const text = (name, label, more, hint) => {
    const box = input(state[name], {
      ...more,
      oninput: debounced(() => load({ [name]: box.value.trim(), offset: 0 })),
    });
    return field(label, name, box, hint);
  };
  load();
  return [
    head({ title: "Log", actions: refreshButton(load) }),
    h(
      "div",
      { class: "stack" },
      h(
        "section",
        { class: "card stack" },
        h(
          "div",
          { class: "fields" },
          text("text", "Search", { type: "search" }, "A trigger id, or part of a url, an error or a kept payload."),
          choice("status", "Status", [
            ["", "All but skipped"],
            ["ok", "OK"],
            ["failed", "Failed"],
            ["waiting", "Waiting"],
            [
              "skipped",
              "Skipped",
            ],
          ]),
          choice("webhook", "Webhook", [["", "All"], ...webhooks.map(({ id, name }) => [id, name])]),
          choice("thing", "Thing", [["", "All"], ...things.map(({ id, name }) => [id, name])]),
          text("from", "From", { type: "datetime-local", step: "0.001" }),
          text("to", "To", { type: "datetime-local", step: "0.001" }),
        ),
      ),
      h("section", { class: "card flush" }, list),
    ),
  ];
}
