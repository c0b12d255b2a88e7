// Trying a webhook out: the steps of one request, and what was answered.

import { post } from "./api.js";
import { h, replace } from "./dom.js";
import { body, latency, plainBody } from "./format.js";
import { dialog } from "./overlays.js";
import { copy, copyable, failure, loading } from "./ui.js";

const names = {
  render: "Make the request",
  token: "Get a token",
  resolve: "Look up the host",
  address: "Check the address",
  connect: "Connect",
  tls: "Secure (TLS)",
  response: "Answer",
};

/** A line for each. */
export const headerLines = (headers) =>
  Object.entries(headers ?? {}).map(([name, value]) => `${name}: ${value}`).join("\n");

/** What is kept of an answer's headers, to be unfolded and copied. */
export const answerHeaders = (headers, whose) =>
  h(
    "details",
    {},
    h("summary", {}, "Headers of the answer"),
    copyable(`Headers of ${whose}`, headerLines(headers), `the headers of ${whose}`),
  );

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** The request as a line for the terminal, with a name in the place of each secret. */
function curlLine(request) {
  const headers = Object.entries(request.headers).map(([name, value]) =>
    `-H ${quoted(`${name}: ${value === "***" ? `<${name}>` : value}`)}`
  );
  const sent = request.body;
  const data = !sent ? [] : sent.base64 ? ["--data-binary @-"] : [`--data-binary ${quoted(sent.text ?? "")}`];
  const line = [`curl -X ${request.method} ${quoted(request.url)}`, ...headers, ...data].join(" \\\n  ");
  return sent?.base64 ? `echo ${sent.base64} | base64 -d | ${line}` : line;
}

/** A request as it was, or would be, made. */
export const requestView = (request) =>
  h(
    "div",
    { class: "stack tight" },
    copyable(
      "Request",
      `${request.method} ${request.url}\n${headerLines(request.headers)}`,
      "the head of the request",
    ),
    request.body &&
      copyable("Request body", body(request.body), "the body of the request", plainBody(request.body)),
    h("div", {}, h("button", { type: "button", onclick: () => copy(curlLine(request)) }, "Copy as curl")),
  );

/** Words of the API as a sentence of their own. */
export const sentence = (words) => `${words[0].toUpperCase()}${words.slice(1)}.`;

export const reportView = (report) =>
  h(
    "div",
    { class: "stack tight", role: "status" },
    h(
      "p",
      {},
      report.skipped && report.success
        ? h("span", { class: "badge wait" }, "Skipped")
        : h("span", { class: `badge ${report.success ? "good" : "bad"}` }, report.success ? "It works" : "It failed"),
      " ",
      h("span", { class: "muted" }, report.status ? `status ${report.status}, ` : "", latency(report.latency_ms)),
    ),
    report.skipped && h("p", { class: "note wait" }, sentence(report.skipped)),
    h(
      "ol",
      { class: "steps" },
      report.steps.map((step) =>
        h(
          "li",
          {},
          h(
            "span",
            { class: step.ok ? "ok" : "no", role: "img", "aria-label": step.ok ? "ok" : "failed" },
            step.ok ? "✓" : "✗",
          ),
          h(
            "span",
            {},
            names[step.name] ?? step.name,
            " ",
            h("span", { class: step.error ? "fault" : "muted small" }, step.error ?? step.detail ?? ""),
          ),
          h("span", { class: "muted small number" }, latency(step.latency_ms)),
        )
      ),
    ),
    report.response &&
      h(
        "div",
        { class: "stack tight" },
        h("h3", {}, "What was answered"),
        copyable("Answer", body(report.response), "the body of the answer", plainBody(report.response)),
      ),
    report.headers && answerHeaders(report.headers, "the answer"),
    h(
      "details",
      {},
      h("summary", {}, "The request"),
      h(
        "div",
        { class: "stack tight" },
        h(
          "p",
          { class: "muted small" },
          {
            given: "With the message given.",
            newest: "With the newest message of the group.",
            sample: "With a made-up message: none has come in yet.",
          }[report.message_source],
        ),
        report.request ? requestView(report.request) : h("p", { class: "muted" }, "None could be made."),
      ),
    ),
  );

/** Tests a saved webhook. */
export const testDialog = (webhook) =>
  dialog(`Test “${webhook.name}”`, (close) => {
    const place = h("div", {});
    const again = h("button", { type: "button", class: "primary", onclick: () => run() }, "Test again");
    const run = async () => {
      again.disabled = true;
      replace(place, loading());
      try {
        replace(place, reportView(await post(`/webhooks/${webhook.id}/test`, {})));
      } catch (error) {
        replace(place, failure(error));
      }
      again.disabled = false;
    };
    run();
    return h(
      "div",
      { class: "inside" },
      place,
      h("div", { class: "actions" }, h("button", { type: "button", onclick: () => close() }, "Close"), again),
    );
  }, "wide");
