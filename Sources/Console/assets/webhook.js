// One webhook: what it is, how it does, and its log.

import { get, post, query } from "./api.js";
import { evenly, lines, period } from "./charts.js";
import { h, replace } from "./dom.js";
import { firstThing, howToFire, whoFires } from "./firing.js";
import { dateTime, decimal, latency, number, trigger, triggerKind, triggers } from "./format.js";
import { atLeast } from "./lists.js";
import { logSection } from "./log.js";
import { textOf, typed } from "./rawjson.js";
import { resendDialog, resendSection } from "./resend.js";
import { testDialog } from "./testing.js";
import { removeWebhooks, setStatus } from "./webhooks.js";
import { field, input, tabs } from "./fields.js";
import { formDialog, menu } from "./overlays.js";
import {
  attempt,
  busy,
  copyButton,
  facts,
  head,
  identity,
  later,
  loading,
  moment,
  soon,
  statusBadge,
  toast,
} from "./ui.js";

export function show({ me, group, item: webhook, signal, can, at, go }) {
  const reload = () => go(`#/webhook/${webhook.id}`);
  const isOff = webhook.status !== "ENABLED";
  const change = h("button", {
    type: "button",
    onclick: () =>
      busy(change, async () => {
        await setStatus([webhook], isOff ? "ENABLED" : "DISABLED");
        reload();
      }),
  }, isOff ? "Enable" : "Disable");
  const resends = resendSection(webhook, { signal, mayCancel: can("editor") });
  // The organization's is not the group's to change.
  const isOwn = !webhook.org_webhook_id;
  const actions = can("editor") && [
    isOwn && h("button", { type: "button", onclick: () => testDialog(webhook) }, "Test"),
    isOwn && change,
    isOwn && h("a", { class: "button primary", href: `#/webhook/${webhook.id}/edit` }, "Edit"),
    menu("More actions", [
      webhook.trigger.type === "MANUAL" && ["Fire now", () => fire(webhook)],
      ["Send messages again", () => resendDialog(webhook, signal, resends.load)],
      isOwn && ["Rotate the secret", () => rotate(`/webhooks/${webhook.id}`, reload)],
      isOwn && ["Delete", async () => {
        if (await removeWebhooks([webhook]).catch((error) => toast(error.message, "bad"))) go(at("webhooks"));
      }, "danger"],
    ]),
  ];
  const health = h("section", { class: "stack" }, loading());
  return [
    head({
      title: webhook.name,
      crumbs: ["Webhooks", at("webhooks")],
      badge: statusBadge(webhook.status, webhook.health),
      actions,
    }),
    h(
      "div",
      { class: "stack" },
      !isOwn &&
        h(
          "div",
          { class: "note" },
          h(
            "span",
            { class: "grow" },
            "This webhook is the organization's, ",
            h("code", { class: "break" }, group.org_id),
            ": all its groups have it, and its admins change it. ",
            me.root && h("a", { href: `#/org-webhook/${webhook.org_webhook_id}` }, "To the organization's webhook"),
          ),
        ),
      webhook.status_reason &&
        h(
          "div",
          { class: "note bad" },
          h(
            "span",
            { class: "grow" },
            webhook.status === "DISABLED_DUE_TO_ERRORS"
              ? `Disabled because of its receiver: ${webhook.status_reason}. What comes in waits until you enable it.`
              : `Not called: ${webhook.status_reason}. What comes in waits until it can be read. Saving it anew mends it.`,
          ),
        ),
      !isOff && webhook.health.state === "failing" && failing(webhook),
      // What waits because the receiver fails has been said.
      !isOff && webhook.waiting_for &&
        !(webhook.health.state === "failing" && ["breaker", "retry"].includes(webhook.waiting_for.reason)) &&
        h(
          "div",
          { class: "note" },
          h(
            "span",
            { class: "grow" },
            `It falls behind. ${webhook.waiting_for.hint} `,
            webhook.waiting_for.since &&
              h("span", { class: "muted" }, "Waiting since ", moment(webhook.waiting_for.since)),
          ),
        ),
      h(
        "div",
        { class: "grid" },
        h(
          "section",
          { class: "card" },
          h("h2", {}, "About"),
          about(webhook, can("editor") && isOwn ? `/webhooks/${webhook.id}` : undefined),
        ),
        h("section", { class: "card" }, h("h2", {}, "Health"), healthFacts(webhook, group, signal)),
      ),
      charts(webhook, health, signal),
      resends.section,
      logSection(webhook, {
        signal,
        mayRetry: can("editor"),
        onResend: resends.load,
        isWhole: can("editor") && isOwn,
        hint: () => hint(webhook, group, me, signal, at),
      }),
    ),
  ];
}

/** What is wrong with its receiver, and when it is asked again. */
function failing({ health, consecutive_failures: count }) {
  const { last_error: last, since, breaker, next_probe_at: probe, next_attempt_at: next } = health;
  return h(
    "div",
    { class: "note bad" },
    h(
      "span",
      { class: "grow" },
      h("strong", {}, last ? `Its receiver fails: ${last.error}. ` : "Its receiver fails. "),
      count === 1 ? "The last request failed" : `${number(count)} requests in a row failed`,
      since ? [", the first ", moment(since)] : "",
      ". ",
      breaker === "open" && probe ? ["One request at a time tries whether it is back (next: ", soon(probe), "). "] : "",
      next ? ["Next attempt of what waits: ", soon(next), "."] : "",
    ),
  );
}

/** What to do so that it is called. */
const hint = (webhook, group, me, signal, at) =>
  triggerKind(webhook.trigger.type) === "MESSAGE" && later(
    whoFires(group, signal),
    (found) => [
      howToFire(found, me),
      h("p", {}, h("a", { href: at("overview") }, "To the overview"), ", which says what comes next."),
    ],
  );

/** Where it is explained what becomes of messages: at the thing that was heard of last, or else any. */
const whyLink = (webhook, group, signal) =>
  later(
    (async () => {
      const [named] = webhook.trigger.things ?? [];
      if (named) return { id: named };
      return await firstThing(group, signal, { order: "last_seen", dir: "desc" }) ?? await firstThing(group, signal);
    })(),
    (thing) =>
      thing
        ? h(
          "a",
          { href: `#/thing/${thing.id}?why` },
          thing.name === undefined ? "Explained on its thing's page" : `Explained on the page of “${thing.name}”`,
        )
        : h("span", { class: "muted" }, "there is no thing yet"),
  );

/** What it is; for an organization's page too. `keeper` is whose secret may be seen, if it may. */
export const about = (webhook, keeper) =>
  facts(
    ["Sends to", h("span", {}, h("code", {}, webhook.method), " ", h("span", { class: "break" }, webhook.url))],
    ["Trigger", [
      trigger(webhook.trigger.type),
      webhook.trigger.type in triggers ? "" : ` (${webhook.trigger.type})`,
      webhook.trigger.subtopics?.length ? ` on ${webhook.trigger.subtopics.join(", ")}` : "",
      webhook.trigger.paths?.length ? ` with ${webhook.trigger.paths.join(", ")}` : "",
      webhook.trigger.codes?.length ? ` ${webhook.trigger.codes.join(", ")}` : "",
      webhook.trigger.levels?.length ? ` (${webhook.trigger.levels.join(", ")})` : "",
      webhook.trigger.after ? ` after ${number(webhook.trigger.after)} s` : "",
    ]],
    webhook.conditions && [
      "Conditions",
      `${webhook.conditions.match}: ${
        webhook.conditions.rules.map((rule) =>
          `${rule.path || "payload"} ${rule.operator} ${rule.value === undefined ? "" : textOf(rule.value)}${
            rule.until === undefined ? "" : ` until ${textOf(rule.until)}`
          }`
        ).join("; ")
      }${webhook.conditions.edge ? `; edge ${webhook.conditions.edge}` : ""}${
        webhook.conditions.for ? ` after ${number(webhook.conditions.for)} s` : ""
      }`,
    ],
    ["Id", identity(webhook.id)],
    ["Created", moment(webhook.created_at)],
    [
      "Changed",
      h("span", {}, moment(webhook.updated_at), h("span", { class: "muted" }, ` · version ${webhook.version}`)),
    ],
    webhook.description && ["Description", webhook.description],
    keeper && ["Signing secret", secret(keeper)],
  );

function secret(keeper) {
  const place = h("span", { class: "row tight" });
  const reveal = h("button", {
    type: "button",
    onclick: () =>
      busy(reveal, async () => {
        const answer = await get(`${keeper}/secret`);
        replace(place, h("code", { class: "break" }, answer.secret), copyButton(answer.secret, "the secret"));
      }),
  }, "Show");
  place.append(reveal);
  return place;
}

const healthFacts = (webhook, group, signal) =>
  h(
    "div",
    {},
    facts(
      ["Attempts", number(webhook.attempts)],
      webhook.trigger.type === "MESSAGE" && ["Why called, or not", whyLink(webhook, group, signal)],
      ["Last triggered", moment(webhook.last_triggered_at)],
      [
        "Last answer",
        webhook.last_status ? `status ${webhook.last_status}` : h("span", { class: "muted" }, "none"),
      ],
      ["Failures in a row", number(webhook.consecutive_failures)],
      webhook.health.last_error && [
        "Last error",
        h("span", {}, webhook.health.last_error.error, " · ", moment(webhook.health.last_error.at)),
      ],
      webhook.health.breaker && [
        "Breaker",
        webhook.health.breaker === "open"
          ? h("span", {}, "open, next probe: ", soon(webhook.health.next_probe_at))
          : "closed",
      ],
      webhook.health.next_attempt_at && ["Next attempt", soon(webhook.health.next_attempt_at)],
      webhook.skipped > 0 && ["Skipped or left out", number(webhook.skipped)],
      [
        "Waiting",
        later(get(`/webhooks/${webhook.id}/deliveries?status=waiting&limit=1`, signal), (page) =>
          atLeast(page.total, page.total_is_capped)),
      ],
      [
        "Failed for good",
        later(get(`/webhooks/${webhook.id}/deliveries?status=failed&limit=1`, signal), (page) =>
          atLeast(page.total, page.total_is_capped)),
      ],
    ),
  );

function charts(webhook, place, signal) {
  const load = (name) =>
    attempt(place, signal, async (signal) => {
      const { from, to, step, by } = period(name, Date.now());
      const stats = await get(`/webhooks/${webhook.id}/stats${query({ by, from, to })}`, signal);
      const chart = (read, nothing) => evenly(stats.spans, from, to, step, read, nothing);
      const sent = stats.total.succeeded + stats.total.failed;
      replace(
        place,
        h(
          "p",
          { class: "muted" },
          sent === 0
            ? "No attempts in this time."
            : `${decimal((100 * stats.total.succeeded) / sent)} % of ${number(sent)} attempts succeeded.`,
        ),
        h(
          "div",
          { class: "grid" },
          lines({
            label: "Attempts",
            from,
            step,
            show: number,
            series: [{ name: "ok", kind: "a", values: chart((span) => span.succeeded, 0) }, {
              name: "failed",
              kind: "b",
              values: chart((span) => span.failed, 0),
            }],
          }),
          lines({
            label: "Latency",
            from,
            step,
            show: latency,
            series: [{ name: "p99", kind: "c", values: chart((span) => span.latency_ms?.p99) }, {
              name: "p50",
              kind: "a",
              values: chart((span) => span.latency_ms?.p50),
            }],
          }),
        ),
      );
    });
  load("hour");
  return h(
    "section",
    { class: "card stack" },
    h(
      "div",
      { class: "row" },
      h("h2", { class: "grow" }, "Success and latency"),
      tabs("Time shown by the charts", "hour", [["hour", "Hour"], ["day", "Day"], ["week", "Week"]], load),
    ),
    place,
  );
}

/** - keeper: whose secret it is, as the API knows it. */
export const rotate = (keeper, reload) => {
  const overlap = input("86400", { type: "number", min: "0" });
  return formDialog(
    "Rotate the secret",
    [
      field(
        "Sign with both for",
        "overlap_seconds",
        overlap,
        "Seconds in which requests carry the old signature too, so that the receiver has time to change.",
      ),
    ],
    "Make a new secret",
    async () => {
      await post(`${keeper}/secret/rotate`, { overlap_seconds: Number(overlap.value) });
      toast("There is a new secret");
      reload();
    },
  );
};

const fire = (webhook) => {
  const payload = input("", { placeholder: '{"n":1}' });
  return formDialog(
    `Fire “${webhook.name}”`,
    [field("Payload", "payload", payload, "JSON, or nothing.")],
    "Fire",
    async () => {
      const given = payload.value.trim() === "" ? undefined : typed(payload.value);
      if (payload.value.trim() !== "" && !given) {
        throw Object.assign(new Error("payload must be JSON"), { field: "payload" });
      }
      const answer = await post(`/webhooks/${webhook.id}/trigger`, { payload: given });
      toast(`Fired at ${dateTime(Date.now())}: ${answer.trigger_id}`);
    },
  );
};
