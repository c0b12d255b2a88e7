// One webhook of an organization, and how its copies do in the groups.

import { get, query } from "./api.js";
import { h } from "./dom.js";
import { number, trigger } from "./format.js";
import { listSection, opensBy, table, tableRow } from "./lists.js";
import { removeWebhook, roleIn, setStatus } from "./org.js";
import { menu } from "./overlays.js";
import { busy, empty, facts, head, moment, statusBadge, toast } from "./ui.js";
import { about, rotate } from "./webhook.js";

export async function show({ me, item: webhook, signal, go }) {
  const mayChange = await roleIn(webhook.org_id, signal) === "admin";
  const [keeper, list] = [`/org-webhooks/${webhook.id}`, `#/org/${webhook.org_id}`];
  const reload = () => go(`#/org-webhook/${webhook.id}`);
  const isOff = webhook.status !== "ENABLED";
  const change = (label, status) => {
    const button = h("button", {
      type: "button",
      onclick: () =>
        busy(button, async () => {
          await setStatus(webhook, status);
          reload();
        }),
    }, label);
    return button;
  };
  const { ok, failing, off } = webhook.copies;
  return [
    head({
      title: webhook.name,
      crumbs: ["Organization", list],
      badge: statusBadge(webhook.status),
      actions: mayChange && [
        change(isOff ? "Enable" : "Disable", isOff ? "ENABLED" : "DISABLED"),
        h("a", { class: "button primary", href: `#/org-webhook/${webhook.id}/edit` }, "Edit"),
        menu("More actions", [
          ["Rotate the secret", () => rotate(keeper, reload)],
          ["Delete", async () => {
            if (await removeWebhook(webhook).catch((error) => toast(error.message, "bad"))) go(list);
          }, "danger"],
        ]),
      ],
    }),
    h(
      "div",
      { class: "stack" },
      webhook.status_reason &&
        h(
          "div",
          { class: "note bad" },
          h("span", { class: "grow" }, `Not called: ${webhook.status_reason}. Saving it anew mends it.`),
        ),
      !isOff && off > 0 &&
        h(
          "div",
          { class: "note bad" },
          h("span", { class: "grow" }, `It is enabled, and off in ${number(off)} of its groups because of errors.`),
          mayChange && change("Enable it in all", "ENABLED"),
        ),
      h(
        "div",
        { class: "grid" },
        h("section", { class: "card" }, h("h2", {}, "About"), about(webhook, mayChange && keeper)),
        h(
          "section",
          { class: "card" },
          h("h2", {}, "Copies"),
          facts(["Working", number(ok)], ["Failing", number(failing)], ["Off", number(off)]),
        ),
      ),
      copies(webhook, { me, signal, go }),
    ),
  ];
}

const columns = [
  { label: "Group" },
  { label: "Status", class: "fit" },
  { label: "Trigger", class: "fit" },
  { label: "Last triggered", class: "fit" },
  { label: "Attempts", class: "number fit" },
];

/** What groups of an organization are called, by their ids; what is gone meanwhile is not among them. */
async function namesOf(ids, org, signal) {
  if (ids.length === 0) return new Map();
  const { groups } = await get(`/orgs/${org}/groups${query({ ids: ids.join(","), limit: 25 })}`, signal);
  return new Map(groups.map(({ id, name }) => [id, name]));
}

/** The copies, one in each group. Their pages are the groups', for who is in those. */
function copies(webhook, { me, signal, go }) {
  let own;
  const mayOpen = async (group, signal) => {
    if (me.root) return true;
    own ??= await get(`/groups${query({ org_id: webhook.org_id, limit: 200 })}`, signal);
    return own.groups.some(({ id }) => id === group);
  };
  const read = async (place, signal) => {
    const page = await get(
      `/org-webhooks/${webhook.id}/copies${query({ ...place, limit: 25, order: "name", dir: "asc" })}`,
      signal,
    );
    const names = await namesOf(page.webhooks.map((copy) => copy.group_id), webhook.org_id, signal);
    const groups = [];
    for (const { group_id: id } of page.webhooks) {
      groups.push({ name: names.get(id) ?? id, isOpen: await mayOpen(id, signal) });
    }
    return { ...page, groups };
  };
  const row = (copy, group) =>
    tableRow(
      columns,
      [
        h(
          "div",
          {},
          group.isOpen
            ? h("a", { class: "name", href: `#/webhook/${copy.id}` }, group.name)
            : h("span", { class: "name" }, group.name),
          // Where a group had one of that name, it is called otherwise there.
          copy.name !== webhook.name && h("div", { class: "muted small break" }, copy.name),
          copy.health.last_error && h("div", { class: "fault small break" }, copy.health.last_error.error),
        ),
        statusBadge(copy.status, copy.health),
        trigger(copy.trigger.type),
        moment(copy.last_triggered_at),
        number(copy.attempts),
      ],
      group.isOpen ? opensBy(() => go(`#/webhook/${copy.id}`)) : {},
    );
  return listSection(
    "In the groups",
    signal,
    read,
    ({ webhooks, groups }) =>
      webhooks.length === 0
        ? empty("In no group yet", "Groups that come to the organization have it from the first.")
        : table({ label: "Copies", columns, rows: webhooks.map((copy, index) => row(copy, groups[index])) }),
  );
}
