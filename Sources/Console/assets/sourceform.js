// The form that makes a source, or changes it.

import { get, post, put } from "./api.js";
import { dynamicData, numberOrNull, rules } from "./editors.js";
import { h, replace } from "./dom.js";
import { check, field, input, onSubmit, secretInput, select, settle, watched } from "./fields.js";
import { pretty } from "./format.js";
import { textOf, typed, Written } from "./rawjson.js";
import { showKey, showSecret } from "./source.js";
import { vendors } from "./sources.js";
import { picker, thingsOf } from "./thingpicker.js";
import { empty, head, toast } from "./ui.js";

export async function show({ group, item, signal, can, at, go }) {
  if (!can("editor")) throw new Error("Sources are changed by those with the role editor in the group.");
  const isNew = item === undefined;
  const source = item ??
    {
      name: "",
      subtopic: "",
      auth: { type: "api_key" },
      conditions: null,
      schema: null,
      repetition_window: 86_400,
      event_id_path: null,
      status: "ENABLED",
      rate_limit: {},
      thing: null,
      handshake: null,
    };
  const things = thingsOf(group.id);
  const { items: [first] } = await things.find("", signal);
  if (!first) {
    return [
      head({ title: "New source", crumbs: ["Sources", at("sources")] }),
      h(
        "section",
        { class: "card" },
        empty(
          "A source needs a thing",
          "What it takes is published as a message of one.",
          h("a", { class: "button primary", href: at("things") }, "Add a thing"),
        ),
      ),
    ];
  }
  const presets = isNew ? (await get("/source-presets", signal)).presets : [];
  const sample = () =>
    source.sample === undefined || source.sample === null ? undefined : new Written(textOf(source.sample));
  const { auth } = source;
  const name = input(source.name);
  const thing = picker({
    label: "Thing",
    name: "thing_id",
    hint: "What comes in is published as its messages.",
    among: things,
    chosen: [source.thing_id ?? first.id],
    isRequired: true,
    none: "Type a name to choose",
    signal,
  });
  const named = {
    path: input(source.thing?.path, { placeholder: "deviceInfo.devEui" }),
    by: select(source.thing?.by ?? "external_id", [["external_id", "Its external id, or its id"], [
      "label",
      "A label",
    ]]),
    otherwise: select(source.thing?.otherwise ?? "refuse", [
      ["refuse", "It is refused"],
      ["own", "It is of the thing above"],
      ["create", "The thing is made"],
    ]),
  };
  const handshake = select(source.handshake ?? "", [["", "Not at all"], ["text", "As text"], ["json", "As JSON"]]);
  const preset = select("", [["", "None"], ...presets.map(({ id, name: label }) => [id, label])], {
    onchange: () => begin(presets.find(({ id }) => id === preset.value)),
  });
  const about = h("span", {});
  const subtopic = input(source.subtopic, { placeholder: "shop/{payload.kind}" });
  const kind = select(auth.type === "api_key" ? "api_key" : auth.vendor, [
    ["api_key", "An API key, made for you"],
    ...Object.entries(vendors),
  ]);
  const { box: secret, toggle } = secretInput(auth.secret === "***" ? "" : auth.secret, {
    placeholder: isNew ? "" : "unchanged",
  });
  const custom = {
    header: input(auth.header, { placeholder: "X-Signature" }),
    algorithm: select(auth.algorithm ?? "sha256", [["sha256"], ["sha1"], ["sha512"]]),
    encoding: select(auth.encoding ?? "hex", [["hex"], ["base64"]]),
    prefix: input(auth.prefix, { placeholder: "sha256=" }),
    timestamp_header: input(auth.timestamp_header, { placeholder: "none" }),
  };
  const [ofSecret, ofCustom] = [
    field(
      "Secret",
      "auth.secret",
      secret,
      "As the other system shows it, or as you gave it there. Empty for a new one that it takes from you.",
      toggle,
    ),
    h(
      "div",
      { class: "fields" },
      field("Header", "auth.header", custom.header),
      field("Algorithm", "auth.algorithm", custom.algorithm),
      field("Written as", "auth.encoding", custom.encoding),
      field("Behind", "auth.prefix", custom.prefix),
      field("Time in header", "auth.timestamp_header", custom.timestamp_header),
    ),
  ];
  const showKind = () => {
    ofSecret.hidden = kind.value === "api_key";
    ofCustom.hidden = kind.value !== "custom";
  };
  kind.addEventListener("change", showKind);
  showKind();
  const conditions = rules({
    conditions: source.conditions,
    remembers: false,
    hint: "Events that do not meet them are acknowledged and ignored.",
  });
  const schema = h("textarea", {
    value: source.schema === null ? "" : pretty(textOf(source.schema)),
    spellcheck: "false",
    placeholder: '{"type":"object","required":["kind"]}',
  });
  const [rate, burst] = [
    input(source.rate_limit.per_second ?? "", { type: "number", min: "0", step: "any", placeholder: "100" }),
    input(source.rate_limit.burst ?? "", { type: "number", min: "1", placeholder: "200" }),
  ];
  const window = input(source.repetition_window, { type: "number", min: "0" });
  const path = input(source.event_id_path, { placeholder: "data.id" });
  const enabled = check(
    "Enabled",
    "status",
    source.status === "ENABLED",
    "A disabled source takes events only while somebody listens.",
  );
  const problem = h("p", { class: "fault", role: "alert" });
  /** Fills in what a known system needs. */
  const begin = (chosen) => {
    replace(
      about,
      chosen ? [chosen.about, " ", h("a", { href: chosen.docs, rel: "noreferrer" }, "Its documentation")] : "",
    );
    if (!chosen) return;
    const begins = chosen.source;
    name.value = begins.name;
    subtopic.value = begins.subtopic ?? "";
    path.value = begins.event_id_path ?? "";
    named.path.value = begins.thing.path;
    named.by.value = begins.thing.by;
    named.otherwise.value = begins.thing.otherwise;
  };

  const draft = () => {
    let schemaValue = null;
    if (schema.value.trim() !== "") {
      schemaValue = typed(schema.value);
      if (!schemaValue) throw Object.assign(new Error("schema must be JSON"), { field: "schema" });
    }
    const proofOf = kind.value === "api_key" ? { type: "api_key" } : {
      type: "signature",
      vendor: kind.value,
      ...(secret.value === "" ? {} : { secret: secret.value }),
      ...(kind.value === "custom"
        ? {
          header: custom.header.value,
          algorithm: custom.algorithm.value,
          encoding: custom.encoding.value,
          prefix: custom.prefix.value,
          timestamp_header: custom.timestamp_header.value || null,
        }
        : {}),
    };
    return {
      ...(isNew && name.value === "" ? {} : { name: name.value }),
      thing_id: thing.read()[0],
      subtopic: subtopic.value,
      auth: proofOf,
      conditions: conditions.read(),
      schema: schemaValue,
      status: enabled.box.checked ? "ENABLED" : "DISABLED",
      rate_limit: rate.value === ""
        ? null
        : { per_second: Number(rate.value), ...(burst.value === "" ? {} : { burst: Number(burst.value) }) },
      repetition_window: numberOrNull(window),
      event_id_path: path.value || null,
      thing: named.path.value === ""
        ? null
        : { path: named.path.value, by: named.by.value, otherwise: named.otherwise.value },
      handshake: handshake.value || null,
    };
  };
  const form = h(
    "form",
    {
      class: "stack",
      novalidate: true,
      onsubmit: onSubmit(problem, async () => {
        const saved = isNew
          ? (await post(`/groups/${group.id}/sources`, [draft()]))[0]
          : await put(`/sources/${source.id}`, draft());
        settle(form);
        if (saved.key) await showKey(saved);
        else if (saved.secret) await showSecret(saved);
        else toast("Saved");
        go(`#/source/${saved.id}`);
      }),
    },
    h(
      "section",
      { class: "card stack" },
      h("h2", {}, "Source"),
      presets.length > 0 && field("Preset", "preset", preset, about),
      field("Name", "name", name, isNew ? "Empty: named after what shows who it is from." : undefined),
      thing.element,
      h(
        "div",
        { class: "fields" },
        field("Thing named at", "thing.path", named.path, "A path into the event; empty: all are of the thing above."),
        field("What names it", "thing.by", named.by),
        field("If nobody knows it", "thing.otherwise", named.otherwise),
      ),
      field("Subtopic", "subtopic", subtopic, undefined, dynamicData(subtopic, "the subtopic", sample)),
      enabled.element,
    ),
    h(
      "section",
      { class: "card stack" },
      h("h2", {}, "Who it is from"),
      field("Shown by", "auth", kind),
      ofSecret,
      ofCustom,
      field("Answers a challenge", "handshake", handshake, "Some systems ask by a GET before they send anything."),
    ),
    h(
      "section",
      { class: "card stack" },
      h("h2", {}, "What is wanted"),
      conditions.element,
      field("Schema", "schema", schema, "A JSON Schema that events have to fit."),
      h(
        "div",
        { class: "fields" },
        field("Events per second", "rate_limit.per_second", rate),
        field("In bursts of", "rate_limit.burst", burst),
        field("Repetitions within", "repetition_window", window, "seconds"),
        field("Id of an event", "event_id_path", path, "A path into it; empty: the other system's own place."),
      ),
    ),
    problem,
    h(
      "div",
      { class: "actions" },
      h("a", { class: "button", href: isNew ? at("sources") : `#/source/${source.id}` }, "Cancel"),
      h("button", { class: "primary" }, isNew ? "Create source" : "Save"),
    ),
  );
  watched(form, draft);
  return [
    head({
      title: isNew ? "New source" : `Edit ${source.name}`,
      crumbs: isNew ? ["Sources", at("sources")] : [source.name, `#/source/${source.id}`],
    }),
    form,
  ];
}
