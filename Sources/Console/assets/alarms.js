// Alarms of a group: of which things the conditions of webhooks are met, where they have an edge.

import { get, post, query } from "./api.js";
import { h, replace } from "./dom.js";
import { choices, opensBy, pager, refreshButton, table, tableRow, turn } from "./lists.js";
import { confirm } from "./overlays.js";
import { picker, thingsOf, webhooksOf } from "./thingpicker.js";
import { attempt, busy, empty, head, moment, toast } from "./ui.js";

const columns = [
  { label: "State", class: "fit" },
  { label: "Thing" },
  { label: "Webhook" },
  { label: "Since", class: "fit" },
  { label: "Value" },
  { label: "Acknowledged" },
  { label: "Actions", hides: true, class: "fit" },
];

const badge = ({ state, acknowledged_at: at }) => {
  if (state === "pending") return h("span", { class: "badge wait" }, "Pending");
  return h("span", { class: `badge ${at === undefined ? "bad" : ""}` }, at === undefined ? "Active" : "Acknowledged");
};

const since = (alarm) => [
  moment(alarm.since),
  alarm.due_at !== undefined && h("span", { class: "muted small" }, " · active ", moment(alarm.due_at)),
];

export function show({ group, signal, can, go, query: asked, setQuery }) {
  const state = {
    state: asked.state ?? "",
    acknowledged: asked.acknowledged ?? "",
    webhook_id: asked.webhook_id ?? "",
    thing_id: asked.thing_id ?? "",
    offset: 0,
    limit: 50,
  };
  const list = h("div", {});
  const load = (changes = {}) => {
    turn(state, changes);
    const { offset: _, limit: __, cursor: ___, ...filters } = state;
    setQuery(filters);
    return attempt(
      list,
      signal,
      async (signal) => draw(await get(`/groups/${group.id}/alarms${query(state)}`, signal)),
    );
  };
  const act = (button, alarm, verb, said) =>
    busy(button, async () => {
      await post(`/alarms/${alarm.id}/${verb}`, undefined, signal);
      toast(said);
      await load();
    });
  const actions = (alarm) => {
    if (!can("editor")) return "";
    const name = `${alarm.thing.name} at ${alarm.webhook.name}`;
    const acknowledge = alarm.state === "active" && alarm.acknowledged_at === undefined &&
      h("button", {
        type: "button",
        "aria-label": `Acknowledge ${name}`,
        onclick: () => act(acknowledge, alarm, "acknowledge", "Acknowledged"),
      }, "Acknowledge");
    const clear = h("button", {
      type: "button",
      "aria-label": `Clear ${name}`,
      onclick: async () => {
        const text = "Nobody is told. The next message that meets the conditions raises another.";
        if (await confirm(`Clear the alarm of “${alarm.thing.name}”?`, text, "Clear")) {
          await act(clear, alarm, "clear", "Cleared");
        }
      },
    }, "Clear");
    return h("span", { class: "row tight" }, acknowledge, clear);
  };
  const cells = (alarm) => [
    badge(alarm),
    h("a", { class: "name", href: `#/thing/${alarm.thing.id}` }, alarm.thing.name),
    h("a", { href: `#/webhook/${alarm.webhook.id}` }, alarm.webhook.name),
    h("span", {}, since(alarm)),
    alarm.value === undefined ? "–" : h("code", { class: "break" }, alarm.value),
    alarm.acknowledged_at === undefined
      ? "–"
      : h("span", {}, moment(alarm.acknowledged_at), ` by ${alarm.acknowledged_by}`),
    actions(alarm),
  ];
  const row = (alarm) => tableRow(columns, cells(alarm), opensBy(() => go(`#/thing/${alarm.thing.id}`)));
  const draw = (page) =>
    replace(
      list,
      page.alarms.length === 0
        ? empty(
          "No alarms",
          "Conditions of a webhook with an edge (“becomes true”) raise one for each thing that meets them.",
        )
        : table({ label: "Alarms", columns, rows: page.alarms.map(row) }),
      page.alarms.length > 0 && pager(page, load, "of the alarms"),
    );
  const choice = choices(state, load);
  const search = (name, label, among) =>
    picker({
      label,
      name,
      among,
      chosen: state[name] ? [state[name]] : [],
      signal,
      onChange: ([id]) => load({ [name]: id ?? "", offset: 0 }),
    }).element;
  load();
  return [
    head({ title: "Alarms", actions: refreshButton(load) }),
    h(
      "section",
      { class: "card flush" },
      h(
        "div",
        { class: "row" },
        choice("state", "State", [["", "All"], ["active", "Active"], ["pending", "Pending"]]),
        choice("acknowledged", "Acknowledged", [["", "All"], ["false", "Not yet"], ["true", "Acknowledged"]]),
        search("webhook_id", "Webhook", webhooksOf(group.id)),
        search("thing_id", "Thing", thingsOf(group.id)),
      ),
      list,
    ),
  ];
}
