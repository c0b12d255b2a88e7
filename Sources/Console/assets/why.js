// Why a message of a thing arrives at its group's webhooks, or does not.

import { post } from "./api.js";
import { h, icon, replace } from "./dom.js";
import { field, input, onSubmit } from "./fields.js";
import { number } from "./format.js";
import { sentence } from "./testing.js";
import { timeOf } from "./ui.js";

const fates = {
  send: ["good", "Would be sent"],
  wait: ["wait", "Would wait"],
  skip: ["bad", "Would be skipped"],
  ignore: ["bad", "Would not be sent"],
  unknown: ["wait", "Cannot be told"],
};

const names = {
  topic: "Topic",
  thing: "Thing",
  message: "Message",
  payload: "Payload",
  profile_webhook: "Profile: webhook",
  profile_write: "Profile: write",
  webhooks: "Webhooks",
  status: "Status",
  trigger: "Trigger",
  things: "Things",
  subtopics: "Subtopics",
  data: "Data",
  conditions: "Conditions",
  earlier: "Sent before",
  order: "Order",
  rate: "Rate",
  breaker: "Breaker",
  waiting: "Waiting",
  last_error: "Last error",
};

const sign = (ok) =>
  h("span", { class: ok ? "ok" : "no", role: "img", "aria-label": ok ? "ok" : "in the way" }, ok ? "✓" : "✗");

const ruleView = (rule) =>
  h(
    "li",
    {},
    sign(rule.ok),
    h(
      "span",
      { class: "small" },
      h("code", {}, rule.rule),
      rule.found === undefined ? ", found nothing" : [", found ", h("code", { class: "break" }, rule.found)],
      rule.before === undefined ? "" : [", before ", h("code", { class: "break" }, rule.before)],
    ),
  );

const stepList = (steps) =>
  h(
    "ol",
    { class: "steps" },
    steps.map((step) =>
      h(
        "li",
        {},
        sign(step.ok),
        h(
          "div",
          {},
          names[step.check] ?? step.check,
          " ",
          h("span", { class: step.ok ? "muted small" : "fault" }, sentence(step.reason)),
          step.rules && h("ol", { class: "steps" }, step.rules.map(ruleView)),
        ),
      )
    ),
  );

const webhookView = ({ webhook, would, steps }) => {
  const [kind, text] = fates[would] ?? ["", would];
  return h(
    "details",
    { class: "card", open: would !== "send" },
    h(
      "summary",
      {},
      h("span", { class: `badge ${kind}` }, text),
      " ",
      h("span", { class: "break" }, webhook.name),
    ),
    h(
      "div",
      { class: "stack tight" },
      stepList(steps),
      h("a", { href: `#/webhook/${webhook.id}` }, "To the webhook"),
    ),
  );
};

const explanationView = (answer) =>
  h(
    "div",
    { class: "stack", role: "status" },
    answer.message &&
      h(
        "p",
        { class: "muted small break" },
        "The message of ",
        timeOf(answer.message.received_at, "dateTime"),
        ": ",
        h("code", {}, (answer.message.payload ?? `base64: ${answer.message.payload_base64}`).slice(0, 300)),
      ),
    stepList(answer.steps),
    answer.webhooks.map(webhookView),
    answer.webhooks_total > answer.webhooks.length &&
      h("p", { class: "muted" }, `${number(answer.webhooks_total - answer.webhooks.length)} more are not shown.`),
  );

/** The part of a thing's page that explains. */
export function whySection(thing) {
  const payload = input("", { placeholder: "empty: the newest kept message" });
  const subtopic = input("", { placeholder: "any" });
  const place = h("div", { class: "stack" });
  const problem = h("p", { class: "fault", role: "alert" });
  const ask = async () => {
    const answer = await post(`/things/${thing.id}/explain`, {
      subtopic: subtopic.value || null,
      ...(payload.value === "" ? {} : { payload: payload.value }),
    });
    replace(place, explanationView(answer));
  };
  return h(
    "section",
    { class: "card stack" },
    h("h2", {}, "Why does it arrive, or not?"),
    h(
      "form",
      { class: "stack", novalidate: true, onsubmit: onSubmit(problem, ask) },
      h(
        "div",
        { class: "fields" },
        field("Payload", "payload", payload),
        field("Subtopic", "subtopic", subtopic, "Behind messages/."),
      ),
      problem,
      h("div", {}, h("button", { class: "primary" }, icon("right"), "Explain")),
    ),
    place,
  );
}
