// How a group is doing, live.

import { follow, get, query } from "./api.js";
import { evenly, lines, period } from "./charts.js";
import { h, replace } from "./dom.js";
import { howToFire, whoFires } from "./firing.js";
import { decimal, latency, number } from "./format.js";
import { atLeast } from "./lists.js";
import { tabs } from "./fields.js";
import { attempt, empty, head, statusBadge } from "./ui.js";

const hour = 3_600_000;

export function show({ me, group, signal, at, can }) {
  const [figures, charts, failing, start] = [
    h("dl", { class: "figures" }),
    h("div", { class: "grid" }),
    h("section", { class: "card stack" }),
    h("div", {}),
  ];
  const state = h("span", { class: "badge wait", role: "status" }, "Connecting");
  const minutes = new Map();
  let range = "hour";
  const samples = [];

  const update = (data) => {
    for (const span of data.spans) minutes.set(span.start, span);
    for (const time of minutes.keys()) if (time < data.at - hour - 60_000) minutes.delete(time);
    // Sums up to now; what they grew by in the last ten seconds is the rate.
    const sum = (read) => [...minutes.values()].reduce((total, span) => total + read(span), 0);
    samples.push({ at: data.at, messages: sum((span) => span.messages ?? 0), done: sum((span) => span.succeeded) });
    while (samples.length > 6) samples.shift();
    const [first, last] = [samples[0], samples.at(-1)];
    const rate = (
      name,
    ) => (last.at > first.at ? Math.max(0, ((last[name] - first[name]) * 1000) / (last.at - first.at)) : 0);
    const [ok, failed] = [sum((span) => span.succeeded), sum((span) => span.failed)];
    const newest = [...minutes.values()].sort((a, b) => b.start - a.start).find((span) => span.latency_ms);
    replace(
      figures,
      figure("Messages in", decimal(rate("messages")), "per second"),
      figure("Deliveries out", decimal(rate("done")), "per second"),
      figure("Waiting", atLeast(data.waiting, data.waiting_is_capped), "deliveries"),
      figure(
        "Failing webhooks",
        number(data.failing_total),
        `of ${atLeast(data.webhooks, data.webhooks_is_capped)}`,
        data.failing_total > 0,
      ),
      figure(
        "Success",
        ok + failed === 0 ? "–" : `${decimal((100 * ok) / (ok + failed))} %`,
        "in the last hour",
      ),
      figure("Latency", latency(newest?.latency_ms?.p50), "median"),
    );
    if (range === "hour") {
      drawCharts(charts, [...minutes.values()], period(range, data.at));
    }
    replace(
      failing,
      h("h2", {}, "Failing webhooks"),
      data.failing.length === 0
        ? h(
          "p",
          { class: "muted" },
          data.webhooks === 0 ? "There is no webhook yet." : "None. Every receiver takes what it is sent.",
        )
        : h(
          "ul",
          { class: "nav" },
          data.failing.map((webhook) =>
            h(
              "li",
              {},
              h(
                "a",
                { href: `#/webhook/${webhook.webhook_id}` },
                webhook.status === "ENABLED"
                  ? h("span", { class: "badge wait" }, "Failing")
                  : statusBadge(webhook.status),
                h("strong", { class: "break" }, webhook.name),
                h(
                  "span",
                  { class: "muted small break" },
                  webhook.status_reason ??
                    `${number(webhook.consecutive_failures)} failures in a row${
                      webhook.last_status ? `, last ${webhook.last_status}` : ""
                    }`,
                ),
              ),
            )
          ),
        ),
    );
    guide(data).catch((error) => {
      // The page may be left while it asks.
      if (error.name !== "AbortError") state.textContent = error.message;
    });
  };

  let guided;
  const guide = async (data) => {
    const step = data.things === 0
      ? "thing"
      : data.webhooks === 0
      ? "webhook"
      : samples.at(-1).messages === 0
      ? "message"
      : samples.at(-1).done === 0
      ? "delivery"
      // Who was led here sees where it ends.
      : guided
      ? "done"
      : "";
    if (step === guided) return;
    guided = step;
    if (step === "thing") {
      replace(
        start,
        h(
          "div",
          { class: "card" },
          empty(
            "No things yet",
            "A thing is a device that publishes over MQTT. It has a profile, which says what becomes of its messages.",
            can("editor") && h("a", { class: "button primary", href: at("things") }, "Add a thing"),
          ),
        ),
      );
    } else if (step === "webhook") {
      replace(
        start,
        h(
          "div",
          { class: "card" },
          empty(
            "No webhooks yet",
            "A webhook sends every message of the group's things to a url of yours.",
            can("editor") && h("a", { class: "button primary", href: at("webhooks/new") }, "Add a webhook"),
          ),
        ),
      );
    } else if (step === "message") {
      const found = await whoFires(group, signal);
      if (guided !== step) return;
      replace(
        start,
        h(
          "div",
          { class: "card" },
          empty(
            "Nothing came in during the last hour",
            found.silent ? "And nothing that comes in is sent:" : "Publish a message as one of the group's things:",
            howToFire(found, me),
          ),
        ),
      );
    } else if (step === "delivery") {
      const { thing, silent } = await whoFires(group, signal);
      if (guided !== step) return;
      const asked = thing ?? silent?.thing;
      replace(
        start,
        h(
          "div",
          { class: "card" },
          empty(
            "A message came in, and none was delivered in the last hour",
            "The log says what became of it, and a thing's page why nothing is sent for it.",
            silent && howToFire({ silent }, me),
            h(
              "div",
              { class: "row" },
              h("a", { class: "button primary", href: at("log") }, "To the log"),
              asked && h("a", { class: "button", href: `#/thing/${asked.id}?why` }, `Why, for “${asked.name}”`),
            ),
          ),
        ),
      );
    } else if (step === "done") {
      replace(
        start,
        h(
          "div",
          { class: "card" },
          empty(
            "It was delivered",
            "The receiver took what it was sent. The log has every attempt, with what was sent and answered.",
            h("a", { class: "button primary", href: at("log") }, "To the log"),
          ),
        ),
      );
    } else replace(start);
  };

  // What is past hardly changes; it is looked at again now and then.
  const drawPast = () =>
    attempt(charts, signal, async (signal) => {
      const shown = period(range, Date.now());
      const { from, to, by } = shown;
      const wanted = range;
      const stats = await get(`/groups/${group.id}/stats${query({ by, from, to })}`, signal);
      if (range === wanted) drawCharts(charts, stats.spans, shown);
    });
  const again = setInterval(() => range !== "hour" && drawPast(), 60_000);
  signal.addEventListener("abort", () => clearInterval(again));
  const span = tabs(
    "Pictures of",
    range,
    [["hour", "Hour"], ["day", "Day"], ["week", "Week"]],
    (to) => {
      range = to;
      if (range !== "hour") drawPast();
    },
  );

  follow(`/groups/${group.id}/live`, signal, ({ event, data }) => {
    if (event === "overview") {
      state.className = "badge good";
      state.textContent = "Live";
      update(data);
    } else if (event === "unavailable") {
      state.className = "badge bad";
      state.textContent = data.error;
    }
  });

  return [
    head({ title: "Overview", badge: state }),
    h("div", { class: "stack" }, figures, start, h("div", { class: "row" }, span), charts, failing),
  ];
}

function drawCharts(charts, spans, { from, to, step, by }) {
  const chart = (read, nothing) => evenly(spans, from, to, step, read, nothing);
  const picture = (parts) => h("section", { class: "card" }, lines({ from, step, ...parts }));
  replace(
    charts,
    picture({
      label: `Throughput per ${by}`,
      show: number,
      series: [
        { name: "messages in", kind: "c", values: chart((span) => span.messages, 0) },
        { name: "delivered", kind: "a", values: chart((span) => span.succeeded, 0) },
        { name: "failed", kind: "b", values: chart((span) => span.failed, 0) },
      ],
    }),
    picture({
      label: "Latency",
      show: latency,
      series: [
        { name: "p99", kind: "c", values: chart((span) => span.latency_ms?.p99) },
        { name: "p50", kind: "a", values: chart((span) => span.latency_ms?.p50) },
      ],
    }),
  );
}

const figure = (label, value, unit, isAlarm) =>
  h(
    "div",
    { class: `figure ${isAlarm ? "alarm" : ""}` },
    h("dt", {}, label),
    h("dd", {}, value, " ", h("small", {}, unit)),
  );
