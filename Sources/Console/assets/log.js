// What became of a webhook's deliveries.

import { get, post, query } from "./api.js";
import { unfolding } from "./delivery.js";
import { h, icon, replace } from "./dom.js";
import { dateTime, latency, number } from "./format.js";
import { field, input, select, tabs } from "./fields.js";
import { pager, table, tableRow, turn } from "./lists.js";
import { confirm } from "./overlays.js";
import { resendOne } from "./resend.js";
import { attempt, busy, copyButton, empty, loading, moment, soon, toast } from "./ui.js";

const lengths = { hour: 3_600_000, day: 86_400_000, week: 7 * 86_400_000 };

const columns = [
  { label: "Details", hides: true, class: "fit" },
  { label: "Status", order: "status", class: "fit" },
  { label: "Date", order: "date", class: "fit" },
  { label: "Next attempt", order: "due_at", class: "fit" },
  { label: "Request to", order: "url" },
  { label: "Answer", order: "response", class: "answer" },
  { label: "Latency", order: "latency", class: "number fit" },
  { label: "Attempt", order: "attempt", class: "number fit" },
  { label: "Trigger id", order: "trigger_id", class: "fit" },
  { label: "Actions", hides: true, class: "fit" },
];

const outcome = (entry) => {
  const [kind, text] = {
    OK: ["good", "OK"],
    WAITING: ["wait", "Waiting"],
    SKIPPED: ["", "Skipped"],
    FAILED: ["bad", entry.response ? `Failed ${entry.response}` : "Failed"],
  }[entry.status] ?? ["", entry.status];
  return h("span", { class: `badge ${kind}` }, text);
};

/** So many that wait one after the other are shown; more stand behind a button. */
const mostWaiting = 3;

const localTime = (milliseconds) => {
  const date = new Date(milliseconds - new Date(milliseconds).getTimezoneOffset() * 60_000);
  return date.toISOString().slice(0, 16);
};

/** - Parameter isWhole: whether urls are shown as a whole, so that there is something to sort by. */
export function logSection(webhook, { signal, mayRetry, isWhole, hint, onResend }) {
  const sortable = isWhole
    ? columns
    : columns.map((column) => column.order === "url" ? { label: column.label } : column);
  const state = { status: "", period: "day", order: "date", dir: "desc", offset: 0, limit: 25 };
  const list = h("div", {}, loading());
  const from = input(localTime(Date.now() - lengths.day), { type: "datetime-local" });
  const to = input(localTime(Date.now()), { type: "datetime-local" });
  const custom = h("div", { class: "row", hidden: true }, field("From", "from", from), field("To", "to", to));
  for (const box of [from, to]) box.addEventListener("change", () => load({ offset: 0 }));

  const span = () => (state.period === "custom"
    ? {
      from: from.value && new Date(from.value).getTime(),
      to: to.value && new Date(to.value).getTime() + 60_000,
    }
    : { from: Date.now() - lengths[state.period] });

  const load = async (changes = {}) => {
    turn(state, changes);
    custom.hidden = state.period !== "custom";
    await attempt(list, async () => {
      const { status, order, dir, offset, cursor, limit } = state;
      const path = (more) => `/webhooks/${webhook.id}/log${query({ status, order, dir, limit, ...span(), ...more })}`;
      const page = await get(path({ offset, cursor }), signal);
      // Where it fails, the reasons come first: what waits because of them may fill pages.
      const explains = webhook.health.state === "failing" && status === "" && order === "date" && dir === "desc" &&
        offset === 0 && page.log.some((entry) => entry.status === "WAITING");
      draw(page, explains ? (await get(path({ status: "failed", limit: 3 }), signal)).log : []);
    });
  };

  const retry = (button, selection, what) =>
    busy(button, async () => {
      const { replayed } = await post(`/webhooks/${webhook.id}/replay`, selection);
      toast(
        replayed === 0
          ? `${what}: nothing was sent again. Nothing of it has failed or waits.`
          : `${number(replayed)} sent again`,
      );
      await load();
    });

  const rowsOf = (entry) => {
    const [open, detail] = unfolding(entry, columns, signal);
    const again = mayRetry && entry.status === "FAILED" &&
      h("button", {
        type: "button",
        class: "icon-only",
        "aria-label": "Retry",
        title: "Retry",
        onclick: () => retry(again, { delivery_ids: [entry.trigger_id] }, "Retry"),
      }, icon("refresh"));
    const once = mayRetry && entry.status === "OK" &&
      h("button", {
        type: "button",
        class: "icon-only",
        "aria-label": "Send again",
        title: "Send again",
        onclick: () => busy(once, () => resendOne(webhook, entry.trigger_id, onResend)),
      }, icon("refresh"));
    return [
      tableRow(columns, [
        open,
        outcome(entry),
        h("span", { title: dateTime(entry.date) }, moment(entry.date)),
        entry.due_at ? soon(entry.due_at) : "–",
        h(
          "span",
          { class: "break small" },
          entry.url ?? "–",
          entry.items > 1 ? ` (${entry.items} messages)` : "",
        ),
        entry.response ?? h("span", { class: "muted small break" }, entry.error ?? "–"),
        latency(entry.latency_ms),
        entry.attempt,
        h(
          "span",
          { class: "row tight" },
          h("code", {}, entry.trigger_id),
          copyButton(entry.trigger_id, "the trigger id"),
        ),
        again || once,
      ]),
      detail,
    ];
  };

  /** A row that spans the table. */
  const across = (...content) =>
    tableRow([{ label: "", hides: true }], [], { class: "detail" }).appendChild(
      h("td", { colspan: columns.length }, content),
    ).parentNode;

  /** Those of a wall of what waits behind the first, to be shown on demand. */
  const folded = (entries) => {
    const rows = entries.flatMap(rowsOf);
    for (const row of rows) row.classList.add("hidden-row");
    const line = across(
      h("button", {
        type: "button",
        class: "quiet",
        onclick: () => {
          for (const row of rows) row.classList.remove("hidden-row");
          line.remove();
        },
      }, `Show ${number(entries.length)} more that wait`),
    );
    return [...rows, line];
  };

  const rowsOfAll = (entries) => {
    const rows = [];
    for (let index = 0; index < entries.length;) {
      let end = index;
      while (end < entries.length && entries[end].status === "WAITING") end += 1;
      if (end - index > mostWaiting + 1 && state.status === "") {
        rows.push(...entries.slice(index, index + mostWaiting).flatMap(rowsOf));
        rows.push(...folded(entries.slice(index + mostWaiting, end)));
        index = end;
      } else {
        rows.push(...rowsOf(entries[index]));
        index += 1;
      }
    }
    return rows;
  };

  const draw = (page, failures = []) => {
    if (page.total === 0) {
      return replace(
        list,
        empty(
          "Nothing here",
          state.status ? "Nothing of that status in this time." : "This webhook was not called in this time.",
          !state.status && hint(),
        ),
      );
    }
    const isShown = new Set(failures.map(({ trigger_id: id, attempt: number }) => `${id} ${number}`));
    const rest = page.log.filter((entry) =>
      !isShown.has(`${entry.trigger_id} ${entry.attempt}`) || entry.status !== "FAILED"
    );
    const rows = [
      ...(failures.length > 0 ? [across(h("strong", {}, "What went wrong last"))] : []),
      ...failures.flatMap(rowsOf),
      ...(failures.length > 0 ? [across(h("strong", {}, "The log"))] : []),
      ...rowsOfAll(rest),
    ];
    replace(
      list,
      table({
        label: "Log",
        columns: sortable,
        rows,
        sort: state,
        onSort: (order, dir) => load({ order, dir, offset: 0 }),
      }),
      pager(page, load),
    );
  };

  const status = select("", [["", "All but skipped"], ["ok", "OK"], ["failed", "Failed"], ["waiting", "Waiting"], [
    "skipped",
    "Skipped",
  ]], {
    "aria-label": "Status",
    onchange: () => load({ status: status.value, offset: 0 }),
  });
  const refresh = h("button", {
    type: "button",
    class: "icon-only",
    "aria-label": "Refresh the log",
    title: "Refresh",
    onclick: () => busy(refresh, load),
  }, icon("refresh"));
  const all = mayRetry && h("button", {
    type: "button",
    onclick: async () => {
      const since = span().from || 0;
      if (
        await confirm(
          "Retry what has failed?",
          `Everything of “${webhook.name}” that failed for good since ${dateTime(since)} is sent again.`,
          "Retry all",
        )
      ) retry(all, { since }, "Retry all");
    },
  }, "Retry all failed");
  load();
  return h(
    "section",
    { class: "card flush" },
    h(
      "div",
      { class: "row" },
      h("h2", { class: "grow" }, "Log"),
      h("div", {}, status),
      tabs("Time shown by the log", state.period, [["hour", "Hour"], ["day", "Day"], ["week", "Week"], [
        "custom",
        "Custom",
      ]], (period) => load({ period, offset: 0 })),
      all,
      refresh,
      custom,
    ),
    list,
  );
}
