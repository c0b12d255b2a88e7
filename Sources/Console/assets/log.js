// What became of a webhook's deliveries.

import { get, query } from "./api.js";
import { h, icon } from "./dom.js";
import { clockTime, dateTime } from "./format.js";
import { field, select, tabs, timeInput } from "./fields.js";
import { turn } from "./lists.js";
import { columns, logTable, retry, statuses } from "./logtable.js";
import { confirm } from "./overlays.js";
import { attempt, busy, empty, loading } from "./ui.js";

const lengths = { hour: 3_600_000, day: 86_400_000, week: 7 * 86_400_000 };

/** - Parameter isWhole: whether urls are shown as a whole, so that there is something to sort by. */
export function logSection(webhook, { signal, mayRetry, isWhole, hint, onResend }) {
  const state = { status: "", period: "day", order: "date", dir: "desc", offset: 0, limit: 25 };
  const list = h("div", {}, loading());
  const [from, to] = [timeInput(Date.now() - lengths.day), timeInput(Date.now())];
  const custom = h("div", { class: "row", hidden: true }, field("From", "from", from), field("To", "to", to));
  for (const box of [from, to]) box.addEventListener("change", () => load({ offset: 0 }));

  const span = () => (state.period === "custom"
    ? {
      from: clockTime(from.value),
      to: to.value && clockTime(to.value) + 60_000,
    }
    : { from: Date.now() - lengths[state.period] });
  const read = (more, signal) => {
    const { order, dir, limit } = state;
    return get(`/webhooks/${webhook.id}/log${query({ order, dir, limit, ...span(), ...more })}`, signal);
  };

  const load = async (changes = {}) => {
    turn(state, changes);
    custom.hidden = state.period !== "custom";
    await attempt(list, signal, async (signal) => {
      const { status, offset, cursor } = state;
      await log.show(await read({ status, offset, cursor }, signal), signal);
      const wanted = status || "ok,failed,waiting";
      log.live.at(
        isNewest() && state.period !== "custom"
          ? `/webhooks/${webhook.id}/log/live${query({ status: wanted })}`
          : undefined,
      );
    });
  };

  /** Whether what is new is at the beginning of what is shown. */
  const isNewest = () => state.order === "date" && state.dir === "desc" && state.offset === 0;
  const { status: outcome, date, due, thing, url, answer, latency, attempt: count, trigger } = columns;
  const log = logTable({
    list,
    signal,
    columns: [
      outcome,
      date,
      due,
      thing,
      isWhole ? url : { ...url, order: undefined },
      answer,
      latency,
      count,
      trigger,
    ],
    mayRetry,
    load,
    onResend,
    none: () =>
      empty(
        "Nothing here",
        state.status ? "Nothing of that status in this time." : "This webhook was not called in this time.",
        !state.status && hint(),
      ),
    folds: () => state.status === "",
    isNewest,
    isFailing: () => webhook.health.state === "failing",
    failures: async (signal) => (await read({ status: "failed" }, signal)).log,
    sort: state,
    onSort: (order, dir) => load({ order, dir, offset: 0 }),
  });

  const status = select("", statuses, {
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
      ) {
        await busy(all, async () => {
          await retry(webhook.id, { since }, "Retry all");
          await load();
        });
      }
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
      log.live.element,
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
