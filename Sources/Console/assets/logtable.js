// The table of a log, of one webhook or of a group. Failures come first where they explain what waits, and a wall of what waits
// stands behind a button.

import { post } from "./api.js";
import { unfolding } from "./delivery.js";
import { h, icon, replace } from "./dom.js";
import { latency, number } from "./format.js";
import { opensBy, pager, table, tableRow } from "./lists.js";
import { growth, keptRows, keyOf, merged, setRows } from "./livelog.js";
import { resendOne } from "./resend.js";
import { busy, copyButton, soon, timeOf, toast } from "./ui.js";

/** What a log is narrowed down to. */
export const statuses = [
  ["", "All but skipped"],
  ["ok", "OK"],
  ["failed", "Failed"],
  ["waiting", "Waiting"],
  ["skipped", "Skipped"],
];

/** So many that wait one after the other are shown; more stand behind a button. */
const mostWaiting = 3;
/** So many of the last failures come first. */
const mostReasons = 3;

const outcome = (entry) => {
  const [kind, text] = {
    OK: ["good", "OK"],
    WAITING: ["wait", "Waiting"],
    SKIPPED: ["", "Skipped"],
    FAILED: ["bad", entry.response ? `Failed ${entry.response}` : "Failed"],
  }[entry.status] ?? ["", entry.status];
  return h("span", { class: `badge ${kind}` }, text);
};

/** A link to what an entry is about, by its name. */
export const linkTo = (kind, id, name) =>
  id ? h("a", { href: `#/${kind}/${id}` }, name ?? id.slice(0, 8)) : h("span", { class: "muted" }, "–");

/** What stands in a column of an entry; those of a table are chosen by name. */
export const columns = {
  status: { label: "Status", order: "status", class: "fit", show: outcome },
  date: { label: "Date", order: "date", class: "date", show: (entry) => timeOf(entry.date) },
  due: {
    label: "Next attempt",
    order: "due_at",
    class: "fit",
    show: (entry) => entry.due_at ? soon(entry.due_at) : "–",
  },
  thing: { label: "Thing", class: "fit", show: (entry) => linkTo("thing", entry.thing_id, entry.thing_name) },
  url: {
    label: "Request to",
    order: "url",
    show: (entry) =>
      h("span", { class: "break small" }, entry.url ?? "–", entry.items > 1 ? ` (${entry.items} messages)` : ""),
  },
  answer: {
    label: "Answer",
    order: "response",
    class: "answer",
    show: (entry) => entry.response ?? h("span", { class: "muted small break" }, entry.error ?? "–"),
  },
  latency: { label: "Latency", order: "latency", class: "number fit", show: (entry) => latency(entry.latency_ms) },
  attempt: { label: "Attempt", order: "attempt", class: "number fit", show: (entry) => entry.attempt },
  trigger: {
    label: "Trigger id",
    order: "trigger_id",
    class: "fit",
    show: (entry) =>
      h(
        "span",
        { class: "row tight" },
        h("code", {}, entry.trigger_id),
        copyButton(entry.trigger_id, "the trigger id"),
      ),
  },
};

/** Sends once more what of a webhook has failed, and says how much that was. */
export async function retry(webhookID, selection, what) {
  const { replayed } = await post(`/webhooks/${webhookID}/replay`, selection);
  toast(
    replayed === 0
      ? `${what}: nothing was sent again. Nothing of it has failed or waits.`
      : `${number(replayed)} sent again`,
  );
}

/**
 * Shows pages of a log in a place, and lets the newest grow. `show(page, signal)` draws one, `live` is how it grows.
 *
 * @param {{
 *   list: Element,
 *   signal: AbortSignal,
 *   columns: {label: string, order?: string, class?: string, show: (entry: any) => any}[],
 *   mayRetry: boolean,
 *   load: (changes?: object) => Promise<void>,
 *   onResend?: () => void,
 *   none: (page: any) => Node,
 *   folds: () => boolean,
 *   isNewest: () => boolean,
 *   isFailing: (webhookID: string) => boolean,
 *   failures: (signal: AbortSignal) => Promise<any[]>,
 *   what?: string,
 *   sort?: {order: string, dir: string},
 *   onSort?: (order: string, dir: string) => void,
 * }} parts `load` looks once more, at another part if it is told so. `folds` says whether what waits is a part of what is shown,
 * not all that was asked for; `isNewest` whether what is new is at the beginning; `isFailing` whether a webhook's receiver fails,
 * so that the newest of `failures` explain what of it waits.
 */
export function logTable(
  { list, signal, columns: shown, mayRetry, load, onResend, none, what, sort, onSort, ...parts },
) {
  // What is done with a row stands first: a log is wider than many a screen.
  const all = [{ label: "Details and actions", hides: true, class: "fit" }, ...shown];
  const foot = h("div", {});

  const explains = ({ log }) =>
    parts.folds() && parts.isNewest() &&
    log.some((entry) => entry.status === "WAITING" && parts.isFailing(entry.webhook_id));
  /** The newest of these that explain. */
  const explaining = (entries) =>
    entries.filter((entry) => entry.status === "FAILED" && parts.isFailing(entry.webhook_id)).slice(0, mostReasons);

  const action = (label, work) => {
    const button = h("button", {
      type: "button",
      class: "icon-only",
      "aria-label": label,
      title: label,
      onclick: () => busy(button, work),
    }, icon("refresh"));
    return button;
  };
  const again = (entry) => {
    if (!mayRetry) return undefined;
    if (entry.status === "FAILED") {
      return action("Retry", async () => {
        await retry(entry.webhook_id, { delivery_ids: [entry.trigger_id] }, "Retry");
        await load();
      });
    }
    return entry.status === "OK"
      ? action("Send again", () => resendOne({ id: entry.webhook_id }, entry.trigger_id, onResend))
      : undefined;
  };

  const made = keptRows((entry) => {
    const [open, detail] = unfolding(entry, all, signal);
    const cells = [h("span", { class: "row tight" }, open, again(entry)), ...shown.map((column) => column.show(entry))];
    return [tableRow(all, cells, opensBy(() => open.click())), detail];
  });

  /** A row that spans the table. */
  const across = (...content) =>
    tableRow([{ label: "", hides: true }], [], { class: "detail" }).appendChild(
      h("td", { colspan: all.length }, content),
    ).parentNode;

  let [page, reasons, isUnfolded] = [undefined, [], false];

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

  const rowsOf = (entries) => {
    const rows = [];
    for (let index = 0; index < entries.length;) {
      let end = index;
      while (end < entries.length && entries[end].status === "WAITING") end += 1;
      if (end - index > mostWaiting + 1 && parts.folds()) {
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

  const allRows = () => {
    const isShown = new Set(reasons.map(keyOf));
    const rest = page.log.filter((entry) => !isShown.has(keyOf(entry)));
    const title = (text) => reasons.length > 0 ? [across(h("strong", {}, text))] : [];
    const rows = [
      ...title("What went wrong last"),
      ...unfolded(reasons),
      ...title("The log"),
      ...rowsOf(rest),
    ];
    made.forget();
    return rows;
  };

  const drawFoot = () => {
    const goesOn = page.log.length > 0 || page.next !== undefined || page.offset > 0;
    replace(foot, goesOn && pager(page, load, what));
  };

  const draw = (drawn, failures) => {
    [page, reasons, isUnfolded] = [drawn, failures, false];
    // What is asked for again is as it is now.
    made.clear();
    replace(
      list,
      page.log.length === 0 ? none(page) : table({ label: "Log", columns: all, rows: allRows(), sort, onSort }),
      foot,
    );
    drawFoot();
  };

  const live = growth(signal, (news) => {
    if (page.log.length === 0) {
      if (news.log.length > 0) draw({ ...page, log: news.log, total: news.log.length }, []);
      return false;
    }
    const { entries, isBroken } = merged(page.log, news, made.isOpen);
    page = { ...page, log: entries, total: Math.max(page.total, entries.length) };
    const known = new Map([...entries, ...reasons].map((entry) => [keyOf(entry), entry]));
    reasons = explains(page) ? explaining([...known.values()]) : [];
    setRows(list.querySelector("tbody"), allRows());
    drawFoot();
    return isBroken;
  });

  return {
    live,
    show: async (drawn, signal) => draw(drawn, explains(drawn) ? explaining(await parts.failures(signal)) : []),
  };
}
