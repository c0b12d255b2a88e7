// The log of a whole group: what became of every delivery, and finding one.

import { get, query } from "./api.js";
import { deliveryView, unfolding } from "./delivery.js";
import { h, replace } from "./dom.js";
import { debounced, field, input, timeInput } from "./fields.js";
import { clockTime, latency } from "./format.js";
import { choices, pager, refreshButton, table, tableRow, turn } from "./lists.js";
import { growth, keptRows, merged, setRows } from "./livelog.js";
import { picker, thingsOf, webhooksOf } from "./thingpicker.js";
import { attempt, copyButton, empty, head, loading, timeOf } from "./ui.js";

const columns = [
  { label: "Details", hides: true, class: "fit" },
  { label: "Status", class: "fit" },
  { label: "Date", class: "fit" },
  { label: "Webhook", class: "fit" },
  { label: "Thing", class: "fit" },
  { label: "Request to" },
  { label: "Answer", class: "answer" },
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

export function show({ group, signal, query: asked, setQuery }) {
  const state = {
    status: asked.status ?? "",
    webhook: asked.webhook ?? "",
    thing: asked.thing ?? "",
    text: asked.text ?? "",
    from: undefined,
    to: undefined,
    offset: 0,
    limit: 25,
  };
  const names = { webhook: webhooksOf(group.id), thing: thingsOf(group.id) };
  const link = (kind, id) =>
    id ? h("a", { href: `#/${kind}/${id}` }, names[kind].label(id, signal)) : h("span", { class: "muted" }, "–");
  const list = h("div", {}, loading());

  const load = (changes = {}) => {
    turn(state, changes);
    const { status, webhook, thing, text, from, to, offset, cursor, limit } = state;
    setQuery({ status, webhook, thing, text });
    return attempt(list, async () => {
      // Who has an id of a delivery wants that one, whenever it was.
      if (/^msg_\w+$/.test(text)) {
        live.at(undefined);
        return drawOne(await get(`/deliveries/${text}`, signal));
      }
      const place = webhook ? `/webhooks/${webhook}/log` : `/groups/${group.id}/log`;
      draw(await get(`${place}${query({ status, thing, text, from, to, offset, cursor, limit })}`, signal));
      // What is new is at the beginning, and of a text nobody but the server knows where it is.
      const grows = !text && from === undefined && to === undefined && offset === 0 && cursor === undefined;
      live.at(grows ? `${place}/live${query({ status: status || "ok,failed,waiting", thing })}` : undefined);
    });
  };

  const drawOne = (delivery) =>
    replace(
      list,
      h("p", {}, "Delivered to ", link("webhook", delivery.webhook_id), "."),
      deliveryView(delivery),
    );

  const foot = h("div", {});
  const made = keptRows((entry) => rows(entry));
  let page;
  const draw = (drawn) => {
    page = drawn;
    // What is asked for again is as it is now.
    made.clear();
    replace(
      list,
      page.log.length === 0
        ? empty(
          "Nothing here",
          page.next ? "Nothing so far; there is more to look through." : "Nothing that these filters leave.",
        )
        : table({ label: "Log", columns, rows: page.log.flatMap(made.of) }),
      foot,
    );
    replace(foot, (page.log.length > 0 || page.next) && pager(page, load, "of the log"));
    made.forget();
  };
  const live = growth(signal, (news) => {
    if (page.log.length === 0) {
      if (news.log.length > 0) draw({ ...page, log: news.log, total: news.log.length });
      return false;
    }
    const { entries, isBroken } = merged(page.log, news, made.isOpen);
    page = { ...page, log: entries, total: Math.max(page.total, entries.length) };
    setRows(list.querySelector("tbody"), entries.flatMap(made.of));
    made.forget();
    replace(foot, pager(page, load, "of the log"));
    return isBroken;
  });

  const rows = (entry) => {
    const [open, detail] = unfolding(entry, columns, signal);
    const [kind, text] = badges[entry.status] ?? ["", entry.status];
    return [
      tableRow(columns, [
        open,
        h("span", { class: `badge ${kind}` }, text),
        timeOf(entry.date),
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
  const search = (name, label) =>
    picker({
      label,
      name,
      among: names[name],
      chosen: state[name] ? [state[name]] : [],
      signal,
      onChange: ([id]) => load({ [name]: id ?? "", offset: 0 }),
    }).element;
  const time = (name, label) => {
    const look = debounced(() => load({ [name]: clockTime(box.value), offset: 0 }));
    const box = timeInput(undefined, { step: "0.001", oninput: look });
    return field(label, name, box);
  };
  load();
  return [
    head({ title: "Log", actions: [live.element, refreshButton(load)] }),
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
          search("webhook", "Webhook"),
          search("thing", "Thing"),
          time("from", "From"),
          time("to", "To"),
        ),
      ),
      h("section", { class: "card flush growing" }, list),
    ),
  ];
}
