// Sources: inbound webhooks of a group.

import { base, get, query } from "./api.js";
import { h, icon, replace } from "./dom.js";
import { number } from "./format.js";
import { debounced, input } from "./fields.js";
import { opensBy, pager, table, tableRow, turn } from "./lists.js";
import { attempt, command, empty, head, moment, statusBadge } from "./ui.js";

export const vendors = {
  standard: "Standard Webhooks",
  github: "GitHub",
  stripe: "Stripe",
  slack: "Slack",
  shopify: "Shopify",
  custom: "Signature of one's own",
};

export const proof = (auth) => (auth.type === "api_key" ? "API key" : vendors[auth.vendor] ?? auth.vendor);

const columns = [
  { label: "Name", order: "name" },
  { label: "Status", class: "fit" },
  { label: "Shown by", class: "fit" },
  { label: "Last event", class: "fit" },
  { label: "Accepted", class: "number fit" },
  { label: "Rejected", class: "number fit" },
];

export async function show({ group, signal, can, at, go }) {
  const list = h("div", {});
  const state = { name: "", order: "name", dir: "asc", offset: 0 };
  const load = (changes = {}) => {
    turn(state, changes);
    return attempt(list, signal, async (signal) => {
      const page = await get(`/groups/${group.id}/sources${query({ ...state, limit: 50 })}`, signal);
      if (page.total === 0) {
        replace(
          list,
          state.name !== "" ? empty("None has that in its name", `Nothing was found for “${state.name}”.`) : empty(
            "No sources yet",
            "A source takes webhooks of other systems: what they post becomes a message of a thing.",
            can("editor") &&
              h("a", { class: "button primary", href: at("sources/new") }, "Add the first source"),
            can("editor") && [
              h("p", { class: "muted" }, "Or from a terminal:"),
              command(
                `curl -X POST ${location.origin}${base}groups/${group.id}/sources -H "Authorization: Bearer $TOKEN" \\\n  -H 'Content-Type: application/json' -d '[{"name":"Shop","thing_id":"<thing>"}]'`,
              ),
            ],
          ),
        );
        return;
      }
      replace(
        list,
        table({
          label: "Sources",
          columns,
          sort: state,
          onSort: (order, dir) => load({ order, dir, offset: 0 }),
          rows: page.sources.map((source) => {
            const cells = [
              h("a", { class: "name", href: `#/source/${source.id}` }, source.name),
              statusBadge(source.status),
              proof(source.auth),
              moment(source.last_event_at),
              number(source.accepted),
              number(source.rejected),
            ];
            return tableRow(columns, cells, opensBy(() => go(`#/source/${source.id}`)));
          }),
        }),
        pager(page, load),
      );
    });
  };
  const search = input("", {
    type: "search",
    placeholder: "Search by name",
    "aria-label": "Search sources by name",
    oninput: debounced(() => load({ name: search.value, offset: 0 })),
  });
  await load();
  return [
    head({
      title: "Sources",
      actions: can("editor") &&
        h("a", { class: "button primary", href: at("sources/new") }, icon("plus"), "New source"),
    }),
    h("section", { class: "card flush" }, h("div", { class: "row" }, h("div", { class: "grow" }, search)), list),
  ];
}
