// The parts of a webhook's form. Each is `{element, read}`: what is shown, and what it comes to in the API's words.

import { labelsOf } from "./annotations.js";
import { certificateFields } from "./certificates.js";
import { dynamicData, numberOrNull, optional, pairs, readValue, rules, words } from "./editors.js";
import { h } from "./dom.js";
import { check, field, input, secretInput, select } from "./fields.js";
import { pretty, triggerKind, triggers } from "./format.js";
import { textOf, typed, write } from "./rawjson.js";
import { picker } from "./thingpicker.js";

/** What is wrong before the server is asked, said as it would say it. */
const fault = (field, reason) => Object.assign(new Error(`${field} ${reason}`), { field });

const card = (title, ...content) => h("section", { class: "card stack" }, h("h2", {}, title), content);
const folded = (title, hint, ...content) =>
  h(
    "section",
    { class: "card" },
    h(
      "details",
      {},
      h("summary", {}, title, h("span", { class: "hint" }, ` ${hint}`)),
      h("div", { class: "stack" }, content),
    ),
  );

export function basics(webhook, fields, sample) {
  const name = input(webhook.name, { required: true, ...fields.bounds("name") });
  const url = input(webhook.url, { inputmode: "url", placeholder: "https://example.com/hook", required: true });
  const method = select(webhook.method, fields.choices("method"));
  const description = input(webhook.description, fields.bounds("description"));
  return {
    element: card(
      "Webhook",
      field("Name", "name", name),
      h("div", { class: "fields" }, field("Method", "method", method)),
      field(
        "Url",
        "url",
        url,
        "http or https. Path and query may have placeholders.",
        dynamicData(url, "the url", sample),
      ),
      field("Description", "description", description),
    ),
    read: () => ({ name: name.value, url: url.value, method: method.value, description: description.value }),
  };
}

function withoutRepetition(headers) {
  const names = headers.map(([name]) => name.toLowerCase());
  const repeated = headers.find(([name], index) => names.indexOf(name.toLowerCase()) !== index);
  if (repeated) throw fault(`headers.${repeated[0]}`, "is given twice");
  return Object.fromEntries(headers);
}

export function requestPart(webhook, fields, sample) {
  const isForm = Array.isArray(webhook.body);
  const type = select(
    webhook.content_type,
    fields.choices("content_type", {
      profile: "As the profile says",
      json: "JSON",
      form: "Form data",
      text: "Text",
    }),
  );
  const text = h("textarea", {
    value: isForm ? "" : webhook.body ?? "",
    spellcheck: "false",
    placeholder: "Empty: the payload, byte for byte as it was published",
  });
  const textField = field("Body", "body", text, undefined, dynamicData(text, "the body", sample));
  const rows = pairs({
    legend: "Form data",
    name: "body",
    rows: isForm ? webhook.body.map(({ key, value }) => [key, value]) : [],
    keyLabel: "Field",
    sample,
  });
  const showBody = () => {
    textField.hidden = type.value === "form";
    rows.element.hidden = type.value !== "form";
    for (const [element, isShown] of [[textField, type.value !== "form"], [rows.element, type.value === "form"]]) {
      if (isShown) element.dataset.field = "body";
      else delete element.dataset.field;
    }
  };
  type.addEventListener("change", showBody);
  showBody();
  const parameters = pairs({
    legend: "Query parameters",
    name: "query",
    rows: webhook.query.map(({ key, value }) => [key, value]),
    keyLabel: "Parameter",
    sample,
  });
  const headers = pairs({
    legend: "Headers",
    name: "headers",
    rows: Object.entries(webhook.headers),
    keyLabel: "Header",
    sample,
    hidesValues: true,
  });
  const format = select(
    webhook.format,
    fields.choices("format", { plain: "Plain", cloudevents: "CloudEvents 1.0" }),
  );
  const compression = select(
    webhook.compression,
    fields.choices("compression", { none: "As it is", gzip: "Compressed (gzip)" }),
  );
  const { forward_properties: forwarded } = webhook;
  const properties = input((forwarded?.names ?? []).join(", "), { placeholder: "site, firmware" });
  const prefix = input(forwarded?.prefix, {
    ...fields.bounds("forward_properties.prefix"),
    placeholder: "x-device-",
  });
  const commands = check(
    "The receiver may send commands to the thing",
    "command_url",
    webhook.command_url,
    "Each request has a key for that, which is good for a while.",
  );
  return {
    element: card(
      "Request",
      headers.element,
      parameters.element,
      h(
        "div",
        { class: "fields" },
        field("Content type", "content_type", type),
        field("Format", "format", format),
        field("Body is sent", "compression", compression),
        field("User properties as headers", "forward_properties.names", properties, "Of MQTT 5, with commas."),
        field("with this before each", "forward_properties.prefix", prefix),
      ),
      textField,
      rows.element,
      commands.element,
    ),
    read: () => ({
      command_url: commands.box.checked,
      headers: withoutRepetition(headers.read()),
      query: parameters.read().map(([key, value]) => ({ key, value })),
      content_type: type.value,
      format: format.value,
      compression: compression.value,
      forward_properties: words(properties.value).length === 0
        ? null
        : { names: words(properties.value), prefix: prefix.value },
      body: type.value === "form"
        ? (rows.read().length ? rows.read().map(([key, value]) => ({ key, value })) : null)
        : text.value === ""
        ? null
        : text.value,
    }),
  };
}

/** - lists: the group's things and profiles, as `thingpicker.js` has them; without them the trigger names none. */
export function triggerPart(webhook, fields, { things, profiles, signal }) {
  const { trigger } = webhook;
  // What is called by another name keeps it.
  const named = (kind) => kind === triggerKind(trigger.type) ? trigger.type : kind;
  const kind = select(
    trigger.type,
    fields.choices("trigger.type", triggers).filter(([each]) => triggerKind(each) === each)
      .map(([each, label]) => [named(each), label]),
  );
  const subtopics = input((trigger.subtopics ?? []).join(", "), { placeholder: "room/+, alarms/#" });
  const paths = input((trigger.paths ?? []).join(", "), { placeholder: "t, sensor.values[0]" });
  const codes = input((trigger.codes ?? []).join(", "), { placeholder: "too_hot, leak" });
  const levels = input((trigger.levels ?? []).join(", "), { placeholder: "warning, critical" });
  const after = input(trigger.after ?? "", { type: "number", ...fields.bounds("trigger.after") });
  const labels = input((trigger.labels ?? []).join(", "), { placeholder: "outdoor, site=Berlin" });
  const externalIDs = h("textarea", { rows: 2, value: (trigger.external_ids ?? []).join("\n"), spellcheck: "false" });
  const several = { signal, isMultiple: true, none: "All; type a name to choose" };
  const chosenProfiles = profiles && picker({
    ...several,
    label: "Profiles",
    name: "trigger.profiles",
    hint: "None chosen: all.",
    among: profiles,
    chosen: trigger.profiles ?? [],
  });
  const chosenThings = things && picker({
    ...several,
    label: "Things",
    name: "trigger.things",
    hint: "None chosen: all.",
    among: things,
    chosen: trigger.things ?? [],
  });
  const chosenBy = h(
    "div",
    { class: "fields" },
    field("Labels", "trigger.labels", labels, "Things that have all of them. None: all."),
    field("External ids", "trigger.external_ids", externalIDs, "One in a line; things besides those chosen."),
    chosenProfiles?.element,
  );
  const ofThings = chosenThings?.element;
  const [ofSubtopics, ofPaths, ofCodes, ofLevels, ofAfter] = [
    field("Subtopics", "trigger.subtopics", subtopics, "None: all."),
    field("Data at", "trigger.paths", paths, "Paths into the payload, of which one is there. None: all."),
    field("Codes", "trigger.codes", codes, "What stands behind events/ in the topic. None: all."),
    field("Levels", "trigger.levels", levels, "Of info, warning, critical and content. None: all."),
    field("Silent for (seconds)", "trigger.after", after),
  ];
  const showKind = () => {
    const chosenKind = triggerKind(kind.value);
    ofSubtopics.hidden = ofPaths.hidden = chosenKind !== "MESSAGE";
    ofCodes.hidden = ofLevels.hidden = chosenKind !== "LOG_EVENT";
    ofAfter.hidden = chosenKind !== "THING_SILENT";
    chosenBy.hidden = !["MESSAGE", "LOG_EVENT"].includes(chosenKind) && !chosenKind.startsWith("THING_");
    if (ofThings) ofThings.hidden = chosenBy.hidden;
  };
  kind.addEventListener("change", showKind);
  showKind();
  const conditions = rules({
    conditions: webhook.conditions,
    durations: fields.bounds("conditions.for"),
    hint: "Paths lead into the payload; empty is the payload itself. Values are JSON.",
  });
  const before = write(conditions.read());
  return {
    element: card(
      "When",
      field("Trigger", "trigger", kind),
      h("div", { class: "fields" }, ofSubtopics, ofPaths, ofCodes, ofLevels, ofAfter, ofThings),
      chosenBy,
      conditions.element,
    ),
    read: () => ({
      trigger: {
        type: kind.value,
        ...(ofSubtopics.hidden ? {} : { subtopics: words(subtopics.value), paths: words(paths.value) }),
        ...(ofCodes.hidden ? {} : { codes: words(codes.value), levels: words(levels.value) }),
        ...(ofAfter.hidden ? {} : { after: numberOrNull(after) }),
        ...(chosenBy.hidden ? {} : {
          ...(things ? { things: chosenThings.read(), profiles: chosenProfiles.read() } : {}),
          labels: labelsOf(labels.value),
          external_ids: externalIDs.value.split("\n").map((line) => line.trim()).filter((line) => line !== ""),
        }),
      },
      // What was not touched is not sent.
      ...(write(conditions.read()) === before ? {} : { conditions: conditions.read() }),
    }),
  };
}

export function authPart(webhook, known) {
  const { auth } = webhook;
  const kind = select(
    auth.type,
    known.choices("auth.type", {
      none: "None",
      basic: "Basic: name and password",
      bearer: "Bearer token",
      oauth2: "OAuth 2 client credentials",
    }),
  );
  const plain = {
    username: input(auth.username),
    client_id: input(auth.client_id),
    token_url: input(auth.token_url, { inputmode: "url" }),
    scope: input(auth.scope),
  };
  const secret = {
    password: secretInput(auth.password),
    token: secretInput(auth.token),
    client_secret: secretInput(auth.client_secret),
  };
  const labels = {
    username: "User name",
    password: "Password",
    token: "Token",
    client_id: "Client id",
    client_secret: "Client secret",
    token_url: "Token url",
    scope: "Scope",
  };
  const kinds = {
    none: [],
    basic: ["username", "password"],
    bearer: ["token"],
    oauth2: ["client_id", "client_secret", "token_url", "scope"],
  };
  const fields = Object.fromEntries(
    Object.keys(labels).map((name) => [
      name,
      plain[name]
        ? field(labels[name], `auth.${name}`, plain[name])
        : field(labels[name], `auth.${name}`, secret[name].box, undefined, secret[name].toggle),
    ]),
  );
  const showKind = () => {
    for (const name of Object.keys(labels)) fields[name].hidden = !kinds[kind.value].includes(name);
  };
  kind.addEventListener("change", showKind);
  showKind();
  const certificate = certificateFields(webhook.client_certificate);
  return {
    element: card(
      "Authentication",
      h(
        "div",
        { class: "fields" },
        field("Kind", "auth", kind, "How Hookline signs in at the receiver."),
        Object.values(fields),
      ),
      h(
        "details",
        {},
        h("summary", {}, "Client certificate", h("span", { class: "hint" }, " in place of the group's")),
        h("div", { class: "stack" }, certificate.elements),
      ),
    ),
    read: () => ({
      ...certificate.read(),
      auth: {
        type: kind.value,
        ...Object.fromEntries(
          kinds[kind.value].map((name) => [name, (plain[name] ?? secret[name].box).value || null]),
        ),
      },
    }),
  };
}

export function deliveryPart(webhook, fields) {
  const whole = (name, value, more = {}) => input(value ?? "", { type: "number", ...fields.bounds(name), ...more });
  const [attempts, age, limit, window, inFlight] = [
    "max_attempts",
    "max_age",
    "failure_limit",
    "failure_window",
    "max_in_flight",
  ].map((name) => whole(name, webhook[name]));
  const perSecond = whole("rate_limit.per_second", webhook.rate_limit?.per_second, { step: "any" });
  const burst = whole("rate_limit.burst", webhook.rate_limit?.burst);
  const overflow = select(
    webhook.rate_limit?.overflow ?? "wait",
    fields.choices("rate_limit.overflow", {
      wait: "All is sent",
      drop_oldest: "The oldest goes",
      latest_per_thing: "A thing's newest",
    }),
  );
  const perThing = webhook.rate_limit?.per_thing;
  const every = whole("rate_limit.per_thing.every", perThing?.every);
  const keep = select(
    perThing?.keep ?? "last",
    fields.choices("rate_limit.per_thing.keep", { last: "The newest", first: "Nothing" }),
  );
  const bypass = input((perThing?.bypass ?? []).join(", "), { placeholder: "alarm, door.open" });
  const { duplicates } = webhook;
  const [samePath, within] = [
    input(duplicates?.path, { ...fields.bounds("duplicates.path"), placeholder: "temperature" }),
    whole("duplicates.within", duplicates?.within),
  ];
  const newsOnly = optional(
    "Leave out what says nothing new",
    "duplicates",
    Boolean(duplicates),
    h(
      "div",
      { class: "fields" },
      field("The same at", "duplicates.path", samePath, "A path into the payload. Empty: all of it."),
      field("for", "duplicates.within", within, "seconds. Empty: until it says something else."),
    ),
    "A thing's message that says what the one before it said.",
  );
  const { success } = webhook;
  const [path, equals, pattern] = [
    input(success?.path, { ...fields.bounds("success.path"), placeholder: "result.code" }),
    input(success?.equals === undefined ? "" : textOf(success.equals), { placeholder: '0 or "ok"' }),
    input(success?.matches, { ...fields.bounds("success.matches"), placeholder: "[1-9]*" }),
  ];
  const says = optional(
    "A success only if the answer says so",
    "success",
    Boolean(success),
    h(
      "div",
      { class: "fields" },
      field("At path", "success.path", path, "In its JSON. Empty: its whole text."),
      field("it is", "success.equals", equals, "JSON."),
      field("or matches", "success.matches", pattern, "* is anything, ? and [a-z] one character."),
    ),
    "Some receivers answer 200 and mean no. Such an answer is tried again.",
  );
  const schedule = input((webhook.retry_schedule ?? []).join(", "), { placeholder: "5, 300, 1800" });
  const statuses = input(webhook.success_statuses.join(", "), { placeholder: "302" });
  const ordering = select(
    webhook.ordering,
    fields.choices("ordering", {
      first: "First attempts",
      none: "None",
      thing: "Strict",
    }),
  );
  const clientErrors = check("Try 4xx answers again", "retry_client_errors", webhook.retry_client_errors);
  const size = whole("batch.max_items", webhook.batch?.max_items ?? 100);
  const wait = whole("batch.max_wait_ms", webhook.batch?.max_wait_ms ?? 1000);
  const form = select(
    webhook.batch?.format ?? "json",
    fields.choices("batch.format", { json: "A JSON array", ndjson: "A line each (NDJSON)" }),
  );
  const batch = optional(
    "Several messages in one request",
    "batch",
    webhook.batch !== null,
    h(
      "div",
      { class: "fields" },
      field("At most", "batch.max_items", size, "messages"),
      field("Wait at most", "batch.max_wait_ms", wait, "milliseconds"),
      field("As", "batch.format", form),
    ),
  );
  const list = (box) => words(box.value).map((word) => (Number.isNaN(Number(word)) ? word : Number(word)));
  return {
    element: folded(
      "Delivery",
      "retries, limits, order, batches",
      h(
        "div",
        { class: "fields" },
        field(
          "Retry after",
          "retry_schedule",
          schedule,
          "Seconds, with commas. Empty: as the installation has it.",
        ),
        field("Attempts at most", "max_attempts", attempts),
        field("Give up after", "max_age", age, "seconds"),
        field("Further success statuses", "success_statuses", statuses, "Besides 2xx."),
        field("Disable after failures", "failure_limit", limit, "In a row; 0: never."),
        field("and after", "failure_window", window, "seconds of failing"),
        field("Requests per second", "rate_limit.per_second", perSecond, "Empty: no limit."),
        field("In bursts of", "rate_limit.burst", burst),
        field(
          "What waits for the rate",
          "rate_limit.overflow",
          overflow,
          "All of it in order, the newest without the oldest, or of each thing the newest.",
        ),
        field("Of each thing one in", "rate_limit.per_thing.every", every, "seconds. Empty: all of them."),
        field("and of the others", "rate_limit.per_thing.keep", keep),
        field("but at once", "rate_limit.per_thing.bypass", bypass, "What changes at these paths."),
        field("Requests at a time", "max_in_flight", inFlight, "Empty: as many as the receiver does well with."),
        field(
          "Order",
          "ordering",
          ordering,
          "A thing's messages one at a time (first attempts), also over retries (strict), or at the same time (none).",
        ),
      ),
      clientErrors.element,
      newsOnly.element,
      says.element,
      batch.element,
    ),
    read: () => ({
      retry_schedule: schedule.value.trim() === "" ? null : list(schedule),
      max_attempts: numberOrNull(attempts),
      max_age: numberOrNull(age),
      success_statuses: list(statuses),
      success: says.box.checked
        ? {
          path: path.value || null,
          equals: equals.value === "" ? null : readValue(equals.value),
          matches: pattern.value || null,
        }
        : null,
      failure_limit: numberOrNull(limit),
      failure_window: numberOrNull(window),
      max_in_flight: numberOrNull(inFlight),
      ordering: ordering.value,
      retry_client_errors: clientErrors.box.checked,
      rate_limit: perSecond.value === "" && every.value === "" ? null : {
        ...(perSecond.value === "" ? {} : { per_second: Number(perSecond.value), overflow: overflow.value }),
        ...(burst.value === "" ? {} : { burst: Number(burst.value) }),
        ...(every.value === ""
          ? {}
          : { per_thing: { every: Number(every.value), keep: keep.value, bypass: words(bypass.value) } }),
      },
      duplicates: newsOnly.box.checked ? { path: samePath.value || null, within: numberOrNull(within) } : null,
      batch: batch.box.checked
        ? { max_items: numberOrNull(size), max_wait_ms: numberOrNull(wait), format: form.value }
        : null,
    }),
  };
}

/** @param said what `respond` is: true, false, or how the thing is told. */
function answerPart(said, fields) {
  const { topic, format, on, qos, retain, keep_for: keptFor, to } = said === true ? {} : said || {};
  const [keeping, levels, service] = [
    input(keptFor ?? "", { type: "number", ...fields.bounds("respond.keep_for") }),
    input(topic, { ...fields.bounds("respond.topic"), placeholder: "weather/{subtopic}" }),
    select(String(qos ?? 1), [["0"], ["1"], ["2"]]),
  ];
  const form = select(
    format ?? "json",
    fields.choices("respond.format", { json: "JSON about the answer", raw: "The answer as it is" }),
  );
  const occasion = select(on ?? "", [
    ["", "As usual"],
    ...fields.choices("respond.on", { always: "Always", success: "Successes only" }),
  ]);
  const kept = check("Kept by the broker for later subscribers", "respond.retain", retain === true);
  const asked = check("Where the message asks for it (MQTT 5)", "respond.to", to === "response_topic");
  const part = optional(
    "Tell the thing what was answered",
    "respond",
    Boolean(said),
    h(
      "div",
      { class: "fields" },
      field("Told", "respond.format", form),
      field("On things/<id>/responses/", "respond.topic", levels, "Empty: the webhook's id."),
      field("Told of", "respond.on", occasion, "Usually all, and as it is only successes."),
      field("Quality of service", "respond.qos", service),
      field("Kept for (seconds)", "respond.keep_for", keeping, "For a thing that is away."),
      kept.element,
      asked.element,
    ),
    "Over MQTT, below things/<id>/responses/, or where the message asks for it.",
  );
  return {
    element: part.element,
    read: () => {
      if (!part.box.checked) return false;
      const isUsual = form.value === "json" && occasion.value !== "success";
      const isPlain = levels.value === "" && service.value === "1" && !kept.box.checked && !asked.box.checked &&
        keeping.value === "";
      if (isUsual && isPlain) return true;
      return {
        topic: levels.value || null,
        format: form.value,
        on: occasion.value || null,
        qos: Number(service.value),
        retain: kept.box.checked,
        keep_for: numberOrNull(keeping),
        to: asked.box.checked ? "response_topic" : "topic",
      };
    },
  };
}

export function morePart(webhook, fields, isNew) {
  const enabled = check("Enabled", "status", webhook.status !== "DISABLED");
  const respond = answerPart(webhook.respond, fields);
  const notify = input((webhook.notify ?? []).join(", "), { placeholder: "anna, ben" });
  const written = pretty(textOf(webhook.metadata));
  const metadata = h("textarea", { value: written, spellcheck: "false" });
  const { box: secret, toggle } = secretInput("");
  const signature = select(
    "v1",
    fields.choices("signature", { v1: "HMAC-SHA256 (v1)", v1a: "Ed25519 (v1a)" }),
  );
  return {
    element: folded(
      "More",
      "status, answers to things, notices, signature, metadata",
      enabled.element,
      respond.element,
      field("Tell these users when it is disabled because of errors", "notify", notify, "User ids, with commas."),
      isNew &&
        h(
          "div",
          { class: "fields" },
          field("Signature", "signature", signature),
          field("Signing secret", "secret", secret, "Empty: one is made.", toggle),
        ),
      field("Metadata", "metadata", metadata, "A JSON object of yours."),
    ),
    read: () => {
      let data;
      if (metadata.value !== written) {
        data = typed(metadata.value.trim() === "" ? "{}" : metadata.value);
        if (!data) throw fault("metadata", "must be a JSON object");
      }
      return {
        status: enabled.box.checked ? "ENABLED" : "DISABLED",
        respond: respond.read(),
        notify: words(notify.value),
        ...(data === undefined ? {} : { metadata: data }),
        ...(isNew && secret.value !== "" ? { secret: secret.value } : {}),
        ...(isNew && secret.value === "" && signature.value !== "v1" ? { signature: signature.value } : {}),
      };
    },
  };
}
