// Who changed what.

import { base, get, query } from "./api.js";
import { h, icon, replace } from "./dom.js";
import { debounced, field, input, select, timeInput } from "./fields.js";
import { clockTime } from "./format.js";
import { pager, table, turn } from "./lists.js";
import { textOf } from "./rawjson.js";
import { attempt, busy, command, empty, head, loading, moment } from "./ui.js";

const kinds = [
  ["", "Everything"],
  ["webhook", "Webhooks"],
  ["thing", "Things"],
  ["profile", "Profiles"],
  ["source", "Sources"],
  ["member", "Members"],
  ["group", "The group"],
  ["key", "API keys"],
  ["notice_channel", "Notices"],
  ["group_tls", "How requests are secured"],
  ["alarm", "Alarms"],
  ["topic_rule", "Topic rules"],
  ["access", "Refused calls"],
];
const everywhere = [["org", "Orgs"], ["org_webhook", "Orgs' webhooks"], ["org_member", "Orgs' members"], [
  "sign_in",
  "Refused sign-ins",
]];

const columns = [
  { label: "When", class: "fit" },
  { label: "Who" },
  { label: "What" },
  { label: "Changes" },
];

export function show({ group, me, signal, query: asked }) {
  const state = {
    kind: asked.kind ?? "",
    actor: "",
    object: asked.object ?? "",
    from: undefined,
    to: undefined,
    offset: 0,
    limit: 50,
  };
  const scope = { all: false };
  const list = h("div", {}, loading());
  const place = () => (scope.all ? "/audit" : `/groups/${group.id}/audit`);
  const load = (changes = {}) => {
    turn(state, changes);
    return attempt(list, signal, async (signal) => draw(await get(`${place()}${query(state)}`, signal)));
  };
  const draw = (page) => {
    const { kind, actor, object, from, to } = state;
    const fetched = query({ format: "ndjson", kind, actor, object, from, to });
    replace(
      list,
      page.audit.length === 0
        ? empty("Nothing here", "Nothing was changed that these filters leave.")
        : table({ label: "Audit", columns, rows: page.audit.map(row) }),
      page.total > 0 && pager(page, load, "of the audit"),
      h(
        "details",
        { class: "card" },
        h("summary", {}, "All of it as NDJSON"),
        command(
          `curl ${location.origin}${base}${
            place().slice(1)
          }${fetched} -H "Authorization: Bearer $TOKEN" > audit.ndjson`,
        ),
      ),
    );
  };
  const kind = select(state.kind, me.root ? [...kinds, ...everywhere] : kinds, {
    onchange: () => load({ kind: kind.value, offset: 0 }),
  });
  const text = (name, label, more = {}) => {
    const box = input(state[name], { ...more, oninput: debounced(() => load({ [name]: box.value, offset: 0 })) });
    return field(label, name, box);
  };
  const time = (name, label) => {
    const look = debounced(() => load({ [name]: clockTime(box.value), offset: 0 }));
    const box = timeInput(undefined, { oninput: look });
    return field(label, name, box);
  };
  const refresh = h(
    "button",
    { type: "button", onclick: () => busy(refresh, () => load()) },
    icon("refresh"),
    "Refresh",
  );
  const whole = me.root && select("", [["", group.name], ["all", "All groups"]], {
    onchange: () => {
      scope.all = whole.value === "all";
      load({ offset: 0 });
    },
  });
  load();
  return [
    head({ title: "Audit", actions: refresh }),
    h(
      "section",
      { class: "card flush" },
      h(
        "div",
        { class: "row" },
        whole && field("Where", "scope", whole),
        field("What", "kind", kind),
        text("actor", "Who", { type: "search" }),
        text("object", "Id"),
        time("from", "From"),
        time("to", "To"),
      ),
      list,
    ),
  ];
}

const row = (entry) => [
  moment(entry.date),
  author(entry.actor),
  h(
    "span",
    {},
    `${entry.object.kind.replaceAll("_", " ")} `,
    h("strong", { class: "break" }, entry.object.name ?? entry.object.id ?? ""),
    ` ${entry.action}`,
    entry.count > 1 && ` (${entry.count})`,
  ),
  changes(entry.changes),
];

const author = ({ kind, id, root, key_id: key, address }) =>
  h(
    "span",
    {},
    h("strong", { class: "break" }, id ?? kind),
    (id !== undefined && kind !== "user") && h("span", { class: "muted small" }, ` ${kind}`),
    root && h("span", { class: "muted small" }, " (root)"),
    key && h("span", { class: "muted small break" }, ` by key ${key}`),
    address && h("span", { class: "muted small" }, ` from ${address}`),
  );

const value = (given) =>
  given === undefined || given === null
    ? h("span", { class: "muted" }, "–")
    : h("code", { class: "break" }, typeof given === "string" ? given : textOf(given));

const changes = (fields) => {
  const names = Object.keys(fields);
  if (names.length === 0) return h("span", { class: "muted" }, "–");
  return h(
    "ul",
    { class: "small" },
    names.map((name) =>
      h(
        "li",
        {},
        `${name}: `,
        "before" in fields[name] && [value(fields[name].before), " → "],
        "after" in fields[name] ? value(fields[name].after) : "removed",
      )
    ),
  );
};
