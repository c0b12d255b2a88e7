// Making and changing a webhook: every field, a preview of the request, and a test before it is saved.

import { get, post, put } from "./api.js";
import { h, replace } from "./dom.js";
import { body as bodyText } from "./format.js";
import { webhookFields } from "./limits.js";
import { textOf, typed, Written } from "./rawjson.js";
import { reportView, requestView, sentence } from "./testing.js";
import { clearFaults, debounced, onSubmit, select, settle, tell, watched } from "./fields.js";
import { profilesOf, thingsOf } from "./thingpicker.js";
import { head, loading, toast } from "./ui.js";
import { authPart, basics, deliveryPart, morePart, requestPart, triggerPart } from "./webhookparts.js";

/** A new webhook. */
const initial = (fields) => ({
  ...fields.defaults(),
  headers: {},
  auth: { type: "none" },
  trigger: { type: "MESSAGE" },
  metadata: new Written("{}"),
  status: "ENABLED",
});

/** What a new one can begin with, and what is to be filled in then. Nothing if it is chosen already. */
function presetPart(presets, chosen, choose) {
  const list = select(chosen?.id ?? "", [["", "Nothing"], ...presets.map(({ id, name }) => [id, name])], {
    id: "preset",
    onchange: () => choose(list.value),
  });
  return h(
    "section",
    { class: "card stack" },
    h("div", { class: "field" }, h("label", { for: "preset" }, "Begin with"), list),
    chosen && [
      h(
        "p",
        {},
        chosen.about,
        " ",
        chosen.docs && h("a", { href: chosen.docs, rel: "noreferrer", target: "_blank" }, `What ${chosen.name} says`),
      ),
      h(
        "p",
        { class: "hint" },
        `To be filled in: ${chosen.asks.map(({ field, what }) => `${field}, ${what}`).join("; ")}.`,
      ),
    ],
  );
}

export async function show({ group, item, query, signal, can, at, go }) {
  if (!can("editor")) throw new Error("Webhooks are changed by those with the role editor in the group.");
  const isNew = item === undefined;
  const [fields, { presets }] = await Promise.all([
    webhookFields(signal),
    isNew ? get("/presets", signal) : { presets: [] },
  ]);
  const preset = presets.find(({ id }) => id === query.preset);
  const webhook = item ?? { ...initial(fields), ...preset?.webhook };
  let samplePayload;
  const sample = () => samplePayload;
  const parts = [
    basics(webhook, fields, sample),
    requestPart(webhook, fields, sample),
    triggerPart(webhook, fields, { things: thingsOf(group.id), profiles: profilesOf(group.id), signal }),
    authPart(webhook, fields),
    deliveryPart(webhook, fields),
    morePart(webhook, fields, isNew),
  ];
  const draft = () => Object.assign({}, ...parts.map((part) => part.read()));

  const test = (parts, until) =>
    post(isNew ? `/groups/${group.id}/webhooks/test` : `/webhooks/${webhook.id}/test`, parts, until);

  // The preview: what the request would be, made by the server itself of the newest real message.
  const preview = h("div", { class: "stack tight", "aria-live": "polite" }, loading());
  let asked = new AbortController();
  const refresh = debounced(async () => {
    // What was asked for before no longer matters.
    asked.abort();
    asked = new AbortController();
    try {
      const values = draft();
      const report = await test(
        { webhook: { ...values, name: values.name || "preview" }, dry_run: true },
        AbortSignal.any([signal, asked.signal]),
      );
      readSample(report);
      const failed = report.steps.find((step) => step.error);
      if (failed?.name === "check") {
        return replace(
          preview,
          h("p", { class: "muted" }, `No request can be made yet: ${failed.error.replace(/^webhook\./, "")}`),
          messageView(report),
        );
      }
      replace(
        preview,
        h(
          "p",
          { class: "hint" },
          {
            newest: "Of the newest message that came in.",
            sample: "Of a made-up message: none has come in yet.",
          }[report.message_source] ?? "",
        ),
        failed && h("p", { class: "fault" }, failed.error),
        report.skipped && h("p", { class: "note wait" }, sentence(report.skipped)),
        report.request && requestView(report.request),
        messageView(report),
      );
    } catch (error) {
      if (error.name !== "AbortError") replace(preview, h("p", { class: "muted" }, error.message));
    }
  }, 300);
  const messageView = ({ message }) =>
    h(
      "details",
      {},
      h("summary", {}, "The message"),
      h(
        "pre",
        { tabindex: "0", "aria-label": "Message" },
        bodyText({ text: message.payload, base64: message.payload_base64 }),
      ),
    );
  const readSample = (report) => {
    const { decoded, payload } = report.message;
    samplePayload = typed(decoded === undefined ? payload ?? "" : textOf(decoded));
  };

  const problem = h("p", { class: "fault", role: "alert" });

  // The test takes the button's place, and gives it back.
  const trial = h("div", { class: "stack" });
  const testButton = (text) =>
    h("button", {
      type: "button",
      onclick: async () => {
        clearFaults(form);
        problem.textContent = "";
        let values;
        try {
          values = draft();
        } catch (error) {
          return tell(form, problem, error);
        }
        replace(trial, loading());
        try {
          const report = await test({ webhook: values });
          readSample(report);
          replace(trial, reportView(report), h("div", {}, testButton("Test again")));
          trial.querySelector("button").focus();
        } catch (error) {
          offerTest();
          tell(form, problem, error);
        }
      },
    }, text);
  const offerTest = () => replace(trial, h("div", {}, testButton("Test")));
  offerTest();

  const form = h(
    "form",
    {
      class: "stack",
      novalidate: true,
      oninput: refresh,
      onchange: refresh,
      onsubmit: onSubmit(problem, async () => {
        const values = draft();
        const saved = isNew
          ? (await post(`/groups/${group.id}/webhooks`, [values]))[0]
          : await put(`/webhooks/${webhook.id}`, values);
        settle(form);
        toast(isNew ? `“${saved.name}” created` : "Saved");
        go(`#/webhook/${saved.id}`);
      }),
    },
    isNew &&
      presetPart(presets, preset, (id) => go(at(`webhooks/new${id && `?preset=${id}`}`))),
    parts.map((part) => part.element),
    h("section", { class: "card stack" }, h("h2", {}, "Try it out"), trial),
    problem,
    h(
      "div",
      { class: "actions" },
      h("a", { class: "button", href: isNew ? at("webhooks") : `#/webhook/${webhook.id}` }, "Cancel"),
      h("button", { class: "primary" }, isNew ? "Create webhook" : "Save"),
    ),
  );
  refresh();
  watched(form, draft);
  return [
    head({
      title: isNew ? "New webhook" : `Edit ${webhook.name}`,
      crumbs: isNew ? ["Webhooks", at("webhooks")] : [webhook.name, `#/webhook/${webhook.id}`],
    }),
    h(
      "div",
      { class: "beside" },
      form,
      h(
        "aside",
        { "aria-label": "Preview" },
        h("section", { class: "card stack" }, h("h2", {}, "Preview"), preview),
      ),
    ),
  ];
}
