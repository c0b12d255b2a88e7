// The webhooks of an organization, which all its groups have.

import { get, put, query, remove } from "./api.js";
import { h, icon, replace } from "./dom.js";
import { trigger } from "./format.js";
import { opensBy, table, tableRow } from "./lists.js";
import { confirmDeletion, menu } from "./overlays.js";
import { attempt, busy, empty, head, identity, moment, statusBadge, toast } from "./ui.js";

/** Enables or disables it in all groups; for its page too. */
export async function setStatus(webhook, status) {
  await put(`/org-webhooks/${webhook.id}/status`, { status });
  toast(`${webhook.name}: ${status === "ENABLED" ? "enabled" : "disabled"}`);
}

/** Asks, naming it, and removes it from all groups. True if that was done. */
export async function removeWebhook(webhook) {
  const text =
    `It sends to ${webhook.url}. It goes from all groups, and what waits for it there with it. This cannot be undone.`;
  if (!await confirmDeletion(webhook.name, text)) return false;
  await remove(`/org-webhooks/${webhook.id}`);
  toast(`“${webhook.name}” deleted`);
  return true;
}

const columns = [
  { label: "Name" },
  { label: "Status", class: "fit" },
  { label: "Trigger", class: "fit" },
  { label: "Changed", class: "fit" },
  { label: "Actions", hides: true, class: "fit" },
];

/** - org: whose; that of the group at hand, unless another one is said. */
export async function show({ me, group, org = group?.org_id, signal, go }) {
  if (!me.root) throw new Error("What an organization has is root's to see.");
  if (!org) {
    return [
      head({ title: "Organization" }),
      h("section", { class: "card" }, empty("In no organization", `“${group.name}” is a group by itself.`)),
    ];
  }
  const list = h("div", {});
  const adding = `#/org/${org}/new`;

  const load = () =>
    attempt(list, signal, async (signal) => {
      // There are few: an organization may have so many and no more.
      const page = await get(`/orgs/${org}/webhooks${query({ limit: 100, order: "name", dir: "asc" })}`, signal);
      draw(page.webhooks);
    });

  const act = async (button, work) => {
    const done = await busy(button, work);
    if (done !== false) await load();
  };

  const draw = (webhooks) => {
    if (webhooks.length === 0) {
      return replace(
        list,
        empty(
          "No webhooks yet",
          "A webhook of the organization is one of each of its groups: those that there are, and those that come.",
          h("a", { class: "button primary", href: adding }, "Add the first webhook"),
        ),
      );
    }
    const rows = webhooks.map((webhook) => {
      const isOff = webhook.status !== "ENABLED";
      const actions = menu(`Actions for ${webhook.name}`, [
        ["Edit", () => go(`#/org-webhook/${webhook.id}/edit`)],
        [isOff ? "Enable" : "Disable", () => act(actions, () => setStatus(webhook, isOff ? "ENABLED" : "DISABLED"))],
        ["Delete", () => act(actions, () => removeWebhook(webhook)), "danger"],
      ]);
      const cells = [
        h(
          "div",
          {},
          h("a", { class: "name", href: `#/org-webhook/${webhook.id}` }, webhook.name),
          h("div", { class: "muted small break" }, webhook.url),
          webhook.status_reason && h("div", { class: "fault small break" }, webhook.status_reason),
        ),
        statusBadge(webhook.status),
        trigger(webhook.trigger.type),
        moment(webhook.updated_at),
        actions,
      ];
      return tableRow(columns, cells, opensBy(() => go(`#/org-webhook/${webhook.id}`)));
    });
    replace(list, table({ label: "Webhooks of the organization", columns, rows }));
  };

  await load();
  return [
    head({
      title: "Organization",
      actions: h("a", { class: "button primary", href: adding }, icon("plus"), "New webhook"),
    }),
    h(
      "div",
      { class: "stack" },
      h("div", { class: "row" }, h("span", { class: "muted" }, "Id"), identity(org, "the organization's id")),
      h(
        "section",
        { class: "card flush" },
        h(
          "div",
          { class: "row" },
          h(
            "div",
            { class: "grow" },
            h("h2", {}, "Webhooks"),
            h("p", { class: "hint" }, "Each group of the organization has a copy, which it sees and does not change."),
          ),
        ),
        list,
      ),
    ),
  ];
}
