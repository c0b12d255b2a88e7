// The webhooks of a group.

import { base, get, put, query, remove } from "./api.js";
import { sparkline } from "./charts.js";
import { h, icon, replace } from "./dom.js";
import { number, trigger, triggers } from "./format.js";
import { testDialog } from "./testing.js";
import { debounced, input, select } from "./fields.js";
import { opensBy, pager, table, tableRow, turn } from "./lists.js";
import { confirm, menu } from "./overlays.js";
import { attempt, busy, command, empty, head, moment, statusBadge, toast } from "./ui.js";

const columns = [
  { label: "Name", order: "name" },
  { label: "Status", order: "status", class: "fit" },
  { label: "Trigger", order: "trigger", class: "fit" },
  { label: "Last triggered", order: "last_triggered_at", class: "fit" },
  { label: "Attempts", order: "attempts", class: "number fit" },
  { label: "Last hour", class: "fit" },
  { label: "Actions", hides: true, class: "fit" },
];

/** What became of the change of a webhook's status; for its page too. */
export async function setStatus(webhooks, status) {
  await put("/webhooks/status", { webhook_ids: webhooks.map(({ id }) => id), status });
  const what = webhooks.length === 1 ? webhooks[0].name : `${number(webhooks.length)} webhooks`;
  toast(`${what}: ${status === "ENABLED" ? "enabled" : "disabled"}`);
}

/** Asks, naming them, and removes them. True if that was done. */
export async function removeWebhooks(webhooks) {
  const [first] = webhooks;
  const what = webhooks.length === 1 ? `“${first.name}”` : `${number(webhooks.length)} webhooks`;
  const names = webhooks.slice(0, 5).map(({ name }) => `“${name}”`).join(", ") +
    (webhooks.length > 5 ? ` and ${number(webhooks.length - 5)} more` : "");
  const text = `${
    webhooks.length === 1 ? `It sends to ${first.url}. ` : `${names}. `
  }What is waiting for it is removed with it. This cannot be undone.`;
  if (
    !await confirm(
      `Delete ${what}?`,
      webhooks.length === 1 ? text : text.replaceAll(" it ", " them ").replace("with it", "with them"),
      `Delete ${what}`,
    )
  ) return false;
  await remove("/webhooks", { webhook_ids: webhooks.map(({ id }) => id) });
  toast(`${what} deleted`);
  return true;
}

/** What a list can be narrowed down by, besides the name. */
const filters = ["status", "trigger", "health", "host"];

export async function show({ me, group, query: asked, signal, can, at, go, setQuery }) {
  const state = {
    name: asked.name ?? "",
    order: asked.order ?? "name",
    dir: asked.dir ?? "asc",
    offset: asked.cursor ? undefined : Number(asked.offset ?? 0),
    cursor: asked.cursor,
    limit: Number(asked.limit ?? 50),
    status: asked.status ?? "",
    trigger: asked.trigger ?? "",
    health: asked.health ?? "",
    host: asked.host ?? "",
  };
  const isNarrowed = () => state.name !== "" || filters.some((name) => state[name] !== "");
  const chosen = new Map();
  const [list, bulk] = [h("div", {}), h("div", { class: "bulk", role: "status", hidden: true })];

  const load = async (changes = {}, keepsChoice = false) => {
    turn(state, changes);
    setQuery({ ...state, offset: state.offset || undefined });
    if (!keepsChoice) chosen.clear();
    await attempt(list, signal, async (signal) => {
      const page = await get(
        `/groups/${group.id}/webhooks${query({ ...state, include: "activity" })}`,
        signal,
      );
      if (page.webhooks.length === 0 && page.total > 0) {
        return load({ offset: Math.floor((page.total - 1) / state.limit) * state.limit });
      }
      draw(page);
    });
  };

  const act = async (button, work) => {
    const done = await busy(button, work);
    if (done !== false) await load();
  };

  const drawBulk = () => {
    const webhooks = [...chosen.values()];
    bulk.hidden = webhooks.length === 0;
    const change = (label, status) => {
      const button = h("button", {
        type: "button",
        onclick: () => act(button, () => setStatus(webhooks, status)),
      }, label);
      return button;
    };
    const erase = h("button", {
      type: "button",
      class: "danger",
      onclick: () => act(erase, () => removeWebhooks(webhooks)),
    }, "Delete");
    replace(
      bulk,
      h("strong", { class: "grow" }, `${number(webhooks.length)} selected`),
      change("Enable", "ENABLED"),
      change("Disable", "DISABLED"),
      erase,
    );
  };

  const draw = (page) => {
    if (page.total === 0 && !isNarrowed()) {
      replace(
        list,
        empty(
          "No webhooks yet",
          "A webhook sends every message of the group's things to a url of yours.",
          can("editor") &&
            h("a", { class: "button primary", href: at("webhooks/new") }, "Add the first webhook"),
          can("editor") && [
            h("p", { class: "muted" }, "Or from a terminal:"),
            command(
              `curl -X POST ${location.origin}${base}groups/${group.id}/webhooks -H "Authorization: Bearer $TOKEN" \\\n  -H 'Content-Type: application/json' -d '[{"name":"First","url":"https://example.com/hook"}]'`,
            ),
          ],
        ),
      );
      return drawBulk();
    }
    if (page.total === 0) {
      replace(list, empty("None is like that", "No webhook of the group has all that is asked for above."));
      return drawBulk();
    }
    const boxes = [];
    const everything = h("input", {
      type: "checkbox",
      "aria-label": "Select all on this page",
      checked: page.webhooks.every(({ id }) => chosen.has(id)),
      onchange: () => {
        // The boxes set this one too.
        const wanted = everything.checked;
        for (const box of boxes) if (box.checked !== wanted) box.click();
      },
    });
    const shown = can("editor")
      ? [{ label: "Select", class: "fit", content: everything }, ...columns]
      : columns.slice(0, -1);
    const rows = page.webhooks.map((webhook) => {
      const box = h("input", {
        type: "checkbox",
        "aria-label": `Select ${webhook.name}`,
        checked: chosen.has(webhook.id),
        onchange: () => {
          if (box.checked) chosen.set(webhook.id, webhook);
          else chosen.delete(webhook.id);
          everything.checked = boxes.every((each) => each.checked);
          drawBulk();
        },
      });
      // The organization's is not the group's to change.
      const whose = "The organization's";
      const isOwn = !webhook.org_webhook_id;
      if (isOwn) boxes.push(box);
      const isOff = webhook.status !== "ENABLED";
      const actions = menu(`Actions for ${webhook.name}`, [
        ["Edit", () => go(`#/webhook/${webhook.id}/edit`)],
        ["Test", () => testDialog(webhook)],
        [
          isOff ? "Enable" : "Disable",
          () => act(actions, () => setStatus([webhook], isOff ? "ENABLED" : "DISABLED")),
        ],
        ["Delete", () => act(actions, () => removeWebhooks([webhook])), "danger"],
      ]);
      const cells = [
        h(
          "div",
          {},
          h("a", { class: "name", href: `#/webhook/${webhook.id}` }, webhook.name),
          h("div", { class: "muted small break" }, webhook.url),
          !isOwn &&
            h(
              "div",
              { class: "muted small" },
              me.root ? h("a", { href: `#/org-webhook/${webhook.org_webhook_id}` }, whose) : whose,
            ),
          webhook.health.last_error && h("div", { class: "fault small break" }, webhook.health.last_error.error),
        ),
        statusBadge(webhook.status, webhook.health),
        trigger(webhook.trigger.type),
        moment(webhook.last_triggered_at),
        number(webhook.attempts),
        sparkline(webhook.activity),
      ];
      return tableRow(
        shown,
        can("editor") ? [isOwn ? box : "", ...cells, isOwn ? actions : ""] : cells,
        opensBy(() => go(`#/webhook/${webhook.id}`)),
      );
    });
    replace(
      list,
      table({
        label: "Webhooks",
        columns: shown,
        rows,
        sort: state,
        onSort: (order, dir) => load({ order, dir, offset: 0 }),
      }),
      pager(page, (place) => load(place, true)),
    );
    drawBulk();
  };

  const search = input(state.name, {
    type: "search",
    placeholder: "Search by name",
    "aria-label": "Search webhooks by name",
    oninput: debounced(() => load({ name: search.value, offset: 0 })),
  });
  const size = select(String(state.limit), ["25", "50", "100", "200"].map((count) => [count, `${count} per page`]), {
    "aria-label": "Webhooks per page",
    onchange: () => load({ limit: Number(size.value), offset: 0 }),
  });
  const choice = (name, label, options) => {
    const list = select(state[name], [["", label], ...options], {
      "aria-label": label,
      onchange: () => load({ [name]: list.value, offset: 0 }),
    });
    return list;
  };
  const host = input(state.host, {
    type: "search",
    placeholder: "Host",
    "aria-label": "Search webhooks by host",
    oninput: debounced(() => load({ host: host.value, offset: 0 })),
  });
  const narrowing = h(
    "div",
    { class: "row narrowing" },
    h("div", { class: "grow" }, search),
    h("div", {}, host),
    choice("status", "Any status", [
      ["ENABLED", "Enabled"],
      ["DISABLED", "Disabled"],
      ["DISABLED_DUE_TO_ERRORS", "Disabled due to errors"],
    ]),
    choice("health", "Any health", [["ok", "Working"], ["failing", "Failing"], ["off", "Off"]]),
    choice("trigger", "Any trigger", Object.entries(triggers)),
    h("div", {}, size),
  );
  await load({}, true);
  return [
    head({
      title: "Webhooks",
      actions: can("editor") &&
        h("a", { class: "button primary", href: at("webhooks/new") }, icon("plus"), "New webhook"),
    }),
    h(
      "section",
      { class: "card flush" },
      narrowing,
      bulk,
      list,
    ),
  ];
}
