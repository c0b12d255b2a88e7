// Making and changing a webhook: every field, a preview of the request, and a test before it is saved.

import { get, post, put, query } from "./api.js";
import { h, replace } from "./dom.js";
import { body as bodyText } from "./format.js";
import { webhookFields } from "./limits.js";
import { roleIn } from "./org.js";
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

/**
 * Whose a webhook is: where it is kept and tried, and where its pages are. `lists` is what its trigger may name; `test(parts, until)`
 * tries it, and is undefined where there is no message of anybody's to try it with.
 */
function ofGroup({ group, item, can, at }) {
  if (!can("editor")) throw new Error("Webhooks are changed by those with the role editor in the group.");
  if (item?.org_webhook_id) throw new Error("This webhook is the organization's: its admins change it.");
  const list = `/groups/${group.id}/webhooks`;
  const kept = item && `/webhooks/${item.id}`;
  return {
    list,
    kept,
    lists: { things: thingsOf(group.id), profiles: profilesOf(group.id) },
    test: (parts, until) => post(`${kept ?? list}/test`, parts, until),
    isSent: true,
    all: ["Webhooks", at("webhooks")],
    adding: at("webhooks/new"),
    page: (id) => `#/webhook/${id}`,
  };
}

/** An organization's is tried as if it were a new one of a group of it that one may change: the group at hand, or else the first. */
async function ofOrg({ group, org, item, signal, can }) {
  if (await roleIn(org, signal) !== "admin") throw new Error("An organization's webhooks are changed by its admins.");
  const { groups } = group?.org_id === org && can("editor")
    ? { groups: [group] }
    : await get(`/groups${query({ org_id: org, limit: 100, order: "name", dir: "asc" })}`, signal);
  // As with groups' own, who tries one is an editor.
  const among = groups.find(({ role }) => role !== "viewer");
  // What the form leaves out, because it stays as it is, has to be said of a new one. The key of a certificate cannot be, and what the
  // request is like does not depend on it.
  const whole = ({ webhook, ...more }) => ({
    ...more,
    webhook: {
      conditions: item?.conditions,
      ...webhook,
      auth: item?.auth.type === webhook.auth.type ? { ...item.auth, ...webhook.auth } : webhook.auth,
      ...(more.dry_run ? { client_certificate: null } : {}),
    },
  });
  return {
    list: `/orgs/${org}/webhooks`,
    kept: item && `/org-webhooks/${item.id}`,
    lists: { things: undefined, profiles: undefined },
    test: among && ((parts, until) => post(`/groups/${among.id}/webhooks/test`, whole(parts), until)),
    // One that there is would not be signed by its own key.
    isSent: among !== undefined && item === undefined,
    remark: among && `As it is in the group “${among.name}”.`,
    all: ["Organization", `#/org/${org}`],
    adding: `#/org/${org}/new`,
    page: (id) => `#/org-webhook/${id}`,
  };
}

export async function show(context) {
  const { item, query: asked, signal, go } = context;
  const isNew = item === undefined;
  const org = context.org ?? item?.org_id;
  const [home, fields, { presets }] = await Promise.all([
    org ? ofOrg({ ...context, org }) : ofGroup(context),
    webhookFields(signal),
    isNew ? get("/presets", signal) : { presets: [] },
  ]);
  const preset = presets.find(({ id }) => id === asked.preset);
  const webhook = item ?? { ...initial(fields), ...preset?.webhook };
  let samplePayload;
  const sample = () => samplePayload;
  const parts = [
    basics(webhook, fields, sample),
    requestPart(webhook, fields, sample),
    triggerPart(webhook, fields, { ...home.lists, signal }),
    authPart(webhook, fields),
    deliveryPart(webhook, fields),
    morePart(webhook, fields, isNew),
  ];
  const draft = () => Object.assign({}, ...parts.map((part) => part.read()));

  // The preview: what the request would be, made by the server itself of the newest real message.
  const preview = h("div", { class: "stack tight", "aria-live": "polite" }, loading());
  let asking = new AbortController();
  const refresh = debounced(async () => {
    if (!home.test) {
      return replace(
        preview,
        h("p", { class: "muted" }, "None of its groups is yours to change, so there is no message to show it with."),
      );
    }
    // What was asked for before no longer matters.
    asking.abort();
    asking = new AbortController();
    try {
      const values = draft();
      const report = await home.test(
        { webhook: { ...values, name: values.name || "preview" }, dry_run: true },
        AbortSignal.any([signal, asking.signal]),
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
        home.remark && h("p", { class: "hint" }, home.remark),
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
          const report = await home.test({ webhook: values });
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
        const saved = isNew ? (await post(home.list, [values]))[0] : await put(home.kept, values);
        settle(form);
        toast(isNew ? `“${saved.name}” created` : "Saved");
        go(home.page(saved.id));
      }),
    },
    isNew &&
      presetPart(presets, preset, (id) => go(`${home.adding}${id && `?preset=${id}`}`)),
    parts.map((part) => part.element),
    home.isSent && h("section", { class: "card stack" }, h("h2", {}, "Try it out"), trial),
    problem,
    h(
      "div",
      { class: "actions" },
      h("a", { class: "button", href: isNew ? home.all[1] : home.page(webhook.id) }, "Cancel"),
      h("button", { class: "primary" }, isNew ? "Create webhook" : "Save"),
    ),
  );
  refresh();
  watched(form, draft);
  return [
    head({
      title: isNew ? "New webhook" : `Edit ${webhook.name}`,
      crumbs: isNew ? home.all : [webhook.name, home.page(webhook.id)],
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
