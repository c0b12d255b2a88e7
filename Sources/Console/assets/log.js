// What became of a webhook's deliveries.

import { get, post, query } from "./api.js";
import { unfolding } from "./delivery.js";
import { h, icon, replace } from "./dom.js";
import { clockTime, dateTime, latency, number } from "./format.js";
import { field, select, tabs, timeInput } from "./fields.js";
import { pager, table, tableRow, turn } from "./lists.js";
import { growth, keptRows, keyOf, merged, setRows } from "./livelog.js";
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
/** So many of the last failures come first. */
const mostReasons = 3;

/** - Parameter isWhole: whether urls are shown as a whole, so that there is something to sort by. */
export function logSection(webhook, { signal, mayRetry, isWhole, hint, onResend }) {
  const sortable = isWhole
    ? columns
    : columns.map((column) => column.order === "url" ? { label: column.label } : column);
  const state = { status: "", period: "day", order: "date", dir: "desc", offset: 0, limit: 25 };
  const list = h("div", {}, loading());
  const foot = h("div", {});
  const [from, to] = [timeInput(Date.now() - lengths.day), timeInput(Date.now())];
  const custom = h("div", { class: "row", hidden: true }, field("From", "from", from), field("To", "to", to));
  for (const box of [from, to]) box.addEventListener("change", () => load({ offset: 0 }));

  const span = () => (state.period === "custom"
    ? {
      from: clockTime(from.value),
      to: to.value && clockTime(to.value) + 60_000,
    }
    : { from: Date.now() - lengths[state.period] });

  const load = async (changes = {}) => {
    turn(state, changes);
    custom.hidden = state.period !== "custom";
    await attempt(list, async () => {
      const { status, order, dir, offset, cursor, limit } = state;
      const path = (more) => `/webhooks/${webhook.id}/log${query({ status, order, dir, limit, ...span(), ...more })}`;
      const page = await get(path({ offset, cursor }), signal);
      draw(page, explains(page) ? (await get(path({ status: "failed", limit: mostReasons }), signal)).log : []);
      const wanted = status || "ok,failed,waiting";
      live.at(
        isNewest() && state.period !== "custom"
          ? `/webhooks/${webhook.id}/log/live${query({ status: wanted })}`
          : undefined,
      );
    });
  };

  /** Whether what is new is at the beginning of what is shown. */
  const isNewest = () => state.order === "date" && state.dir === "desc" && state.offset === 0;
  // Where it fails, the reasons come first: what waits because of them may fill pages.
  const explains = ({ log }) =>
    webhook.health.state === "failing" && state.status === "" && isNewest() &&
    log.some((entry) => entry.status === "WAITING");

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
        moment(entry.date),
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
    const rows = entries.flatMap(made.of);
    for (const row of rows) row.classList.toggle("hidden-row", !isUnfolded);
    if (isUnfolded) return rows;
    const line = across(
      h("button", {
        type: "button",
        class: "quiet",
        onclick: () => {
          isUnfolded = true;
          for (const row of rows) row.classList.remove("hidden-row");
          line.remove();
        },
      }, `Show ${number(entries.length)} more that wait`),
    );
    return [...rows, line];
  };

  const unfolded = (entries) => {
    const rows = entries.flatMap(made.of);
    for (const row of rows) row.classList.remove("hidden-row");
    return rows;
  };

  const rowsOfAll = (entries) => {
    const rows = [];
    for (let index = 0; index < entries.length;) {
      let end = index;
      while (end < entries.length && entries[end].status === "WAITING") end += 1;
      if (end - index > mostWaiting + 1 && state.status === "") {
        rows.push(...unfolded(entries.slice(index, index + mostWaiting)));
        rows.push(...folded(entries.slice(index + mostWaiting, end)));
        index = end;
      } else {
        rows.push(...unfolded([entries[index]]));
        index += 1;
      }
    }
    return rows;
  };

  const made = keptRows((entry) => rowsOf(entry));
  let [page, reasons, isUnfolded] = [undefined, [], false];
  const allRows = () => {
    const isShown = new Set(reasons.map(keyOf));
    const rest = page.log.filter((entry) => !isShown.has(keyOf(entry)));
    const title = (text) => reasons.length > 0 ? [across(h("strong", {}, text))] : [];
    const rows = [
      ...title("What went wrong last"),
      ...unfolded(reasons),
      ...title("The log"),
      ...rowsOfAll(rest),
    ];
    made.forget();
    return rows;
  };

  const draw = (drawn, failures = []) => {
    [page, reasons, isUnfolded] = [drawn, failures, false];
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
    made.clear();
    replace(
      list,
      table({
        label: "Log",
        columns: sortable,
        rows: allRows(),
        sort: state,
        onSort: (order, dir) => load({ order, dir, offset: 0 }),
      }),
      foot,
    );
    replace(foot, pager(page, load));
  };

  const live = growth(signal, (news) => {
    if (page.log.length === 0) {
      if (news.log.length > 0) draw({ ...page, log: news.log, total: news.log.length });
      return false;
    }
    const { entries, isBroken } = merged(page.log, news, made.isOpen);
    page = { ...page, log: entries, total: Math.max(page.total, entries.length) };
    const failures = new Map(
      [...entries, ...reasons].filter((entry) => entry.status === "FAILED").map((entry) => [keyOf(entry), entry]),
    );
    reasons = explains(page) ? [...failures.values()].slice(0, mostReasons) : [];
    setRows(list.querySelector("tbody"), allRows());
    replace(foot, pager(page, load));
    return isBroken;
  });

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
    { class: "card flush growing" },
    h(
      "div",
      { class: "row" },
      h("h2", { class: "grow" }, "Log"),
      live.element,
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
