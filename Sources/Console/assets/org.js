// Organizations: who their members are, and their webhooks, which all their groups have.

import { get, put, query, remove } from "./api.js";
import { h, icon, replace } from "./dom.js";
import { trigger } from "./format.js";
import { opensBy, pager, table, tableRow } from "./lists.js";
import { memberSection } from "./members.js";
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

const roles = [["viewer", "Viewer: reads"], ["admin", "Admin: webhooks and members"]];

/** What one is in an organization; fails for who is none of its members. */
export const roleIn = async (org, signal) => (await get(`/orgs/${org}`, signal)).role;

/** Those that one is a member of. */
export function showAll({ signal, go }) {
  const list = h("div", {});
  const columns = [{ label: "Id" }, { label: "Your role", class: "fit" }];
  const load = (place = {}) =>
    attempt(list, signal, async (signal) => {
      const page = await get(`/orgs${query({ ...place, limit: 25, order: "id", dir: "asc" })}`, signal);
      const rows = page.orgs.map(({ id, role }) =>
        tableRow(
          columns,
          [h("a", { class: "name break", href: `#/org/${id}` }, id), role],
          opensBy(() => go(`#/org/${id}`)),
        )
      );
      const shown = rows.length > 0
        ? table({ label: "Organizations", columns, rows })
        : empty("You are in no organization", "Root, and admins of an organization, add its members.");
      replace(list, shown, page.total > 0 && pager(page, load));
    });
  load();
  return [head({ title: "Organizations" }), h("section", { class: "card flush" }, list)];
}

/** - org: whose; that of the group at hand, unless another one is said. */
export async function show({ me, group, org = group?.org_id, signal, go, refreshGroups }) {
  if (!org) {
    return [
      head({ title: "Organization" }),
      h("section", { class: "card" }, empty("In no organization", `“${group.name}” is a group by itself.`)),
    ];
  }
  const mayChange = await roleIn(org, signal) === "admin";
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
          mayChange && h("a", { class: "button primary", href: adding }, "Add the first webhook"),
        ),
      );
    }
    const rows = webhooks.map((webhook) => {
      const isOff = webhook.status !== "ENABLED";
      const actions = mayChange && menu(`Actions for ${webhook.name}`, [
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
        actions || "",
      ];
      return tableRow(columns, cells, opensBy(() => go(`#/org-webhook/${webhook.id}`)));
    });
    replace(list, table({ label: "Webhooks of the organization", columns, rows }));
  };

  await load();
  return [
    head({
      title: "Organization",
      crumbs: ["Organizations", "#/orgs"],
      actions: mayChange && h("a", { class: "button primary", href: adding }, icon("plus"), "New webhook"),
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
      memberSection({
        path: `/orgs/${org}/members`,
        title: "Members of the organization",
        name: "the organization",
        called: "the organization",
        kind: "organization",
        ranks: roles,
        given: roles,
        nobody:
          "Root alone makes its webhooks. An admin makes them too, and gets all messages of all its groups by them.",
        mayAdd: mayChange,
        mayChange: () => mayChange,
        left: async () => {
          await refreshGroups(group?.id);
          go("#/orgs");
        },
        me,
        signal,
      }),
    ),
  ];
}
