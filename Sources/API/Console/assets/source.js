// One source: its url, listening for a sample, its log; and the form that makes or changes it.

import { all, events, get, post, put, query, remove } from "./api.js";
import { dynamicData, numberOrNull, rules } from "./editors.js";
import { h, replace } from "./dom.js";
import { bytes, dateTime, number, pretty } from "./format.js";
import { proof, vendors } from "./sources.js";
import { busy, check, clearFaults, command, confirm, copyButton, dialog, empty, facts, failure, field, head, identity, input, later, menu, moment, pager, secretInput, select, showFault, statusBadge, table, toast } from "./ui.js";

export const show = (context) => (context.part ? showForm(context) : showSource(context));

// A source

async function showSource({ item: source, signal, can, at, go }) {
  const reload = () => go(`#/source/${source.id}`);
  const actions = can("editor") && [
    h("a", { class: "button primary", href: `#/source/${source.id}/edit` }, "Edit"),
    menu("More actions", [
      source.auth.type === "api_key" && ["Make a new key", () => rotate(source)],
      ["Delete", async () => {
        if (!await confirm(`Delete “${source.name}”?`, "What is posted to its url is refused from then on. This cannot be undone.", `Delete “${source.name}”`)) return;
        try {
          await remove(`/sources/${source.id}`);
          toast(`“${source.name}” deleted`);
          go(at("sources"));
        } catch (error) {
          toast(error.message, "bad");
        }
      }, "danger"],
    ]),
  ];
  return [
    head({ title: source.name, crumbs: ["Sources", at("sources")], badge: statusBadge(source.status), actions }),
    h("div", { class: "stack" },
      h("div", { class: "grid" },
        h("section", { class: "card" }, h("h2", {}, "About"), facts(["Url", identity(source.url, "the url")], ["Shown by", proof(source.auth)], ["Thing", later(get(`/things/${source.thing_id}`, signal), (thing) => h("a", { href: `#/thing/${thing.id}` }, thing.name))],
          ["Published on", h("code", { class: "break" }, `…/messages${source.subtopic ? `/${source.subtopic}` : ""}`)], ["Created", moment(source.created_at)])),
        h("section", { class: "card" }, h("h2", {}, "Events"), facts(["Accepted", number(source.accepted)], ["Ignored by conditions", number(source.ignored)], ["Rejected", number(source.rejected)], ["Last", moment(source.last_event_at)]))),
      can("editor") && sampling(source, signal, reload), log(source, signal)),
  ];
}

/** A key is shown when it is made, and what to type with it. */
const showKey = (source) => dialog(`The key of “${source.name}”`, (close) => h("div", { class: "inside" },
  h("p", {}, "Paste this url into the other system's form. The key in it is shown now and never again."), h("div", { class: "row" }, h("code", { class: "break grow" }, source.url), copyButton(source.url, "the url")),
  command(`curl -X POST '${source.url}' -H 'Content-Type: application/json' -d '{"kind":"order","price":21.70}'`),
  h("div", { class: "actions" }, h("button", { type: "button", class: "primary", onclick: () => close() }, "Done"))));

async function rotate(source) {
  if (!await confirm(`Make a new key for “${source.name}”?`, "The one it has now is no longer good at once.", "Make a new key")) return;
  try {
    await showKey(await post(`/sources/${source.id}/key/rotate`, {}));
  } catch (error) {
    toast(error.message, "bad");
  }
}

function sampling(source, signal, reload) {
  const place = h("div", { class: "stack", "aria-live": "polite" });
  let listening;
  const button = h("button", { type: "button", onclick: () => (listening ? listening.abort() : listen()) }, "Listen for a sample");
  const keep = (sample, appliesSchema) => {
    const save = h("button", {
      type: "button", onclick: () => busy(save, async () => {
        await put(`/sources/${source.id}/sample`, { sample, apply_schema: appliesSchema });
        toast(appliesSchema ? "Sample and schema kept" : "Sample kept");
        reload();
      }),
    }, appliesSchema ? "Keep it, and check events by this schema" : "Keep it");
    return save;
  };
  const listen = async () => {
    listening = new AbortController();
    button.textContent = "Stop listening";
    replace(place, h("p", { class: "note wait" }, "Waiting for the next event. Post something to the url now; it is shown here and goes no further."));
    try {
      for await (const { event, data } of events("POST", `/sources/${source.id}/listen`, { timeout: 300 }, AbortSignal.any([signal, listening.signal]))) {
        replace(place, event === "sample"
          ? [h("h3", {}, "The event"), h("pre", { tabindex: "0", "aria-label": "Sample" }, JSON.stringify(data.sample, null, 2)),
            data.schema && [h("h3", {}, "The schema that it suggests"), h("pre", { tabindex: "0", "aria-label": "Schema" }, JSON.stringify(data.schema, null, 2))],
            h("div", { class: "row" }, keep(data.sample, false), data.schema && keep(data.sample, true))]
          : h("p", { class: "note" }, "Nothing came in five minutes."));
      }
    } catch (error) {
      if (signal.aborted) return;
      replace(place, error.name === "AbortError" ? h("p", { class: "muted" }, "Stopped.") : failure(error, listen));
    }
    listening = undefined;
    button.textContent = "Listen for a sample";
  };
  return h("section", { class: "card stack" }, h("div", { class: "row" }, h("h2", { class: "grow" }, "Sample"), button),
    source.sample !== null && h("pre", { tabindex: "0", "aria-label": "Kept sample" }, JSON.stringify(source.sample, null, 2)), place);
}

function log(source, signal) {
  const list = h("div", {});
  const columns = [{ label: "Outcome", class: "fit" }, { label: "Date", class: "fit" }, { label: "Reason" }, { label: "Event id" }, { label: "Size", class: "number fit" }];
  const load = async (offset = 0) => {
    try {
      const page = await get(`/sources/${source.id}/log${query({ offset, limit: 25 })}`, signal);
      replace(list, page.total === 0 ? empty("No events yet", "Post something to the url, and it is listed here.") : [table({
        label: "Events", columns, rows: page.log.map((entry) => [
          h("span", { class: `badge ${["accepted", "repeated"].includes(entry.outcome) ? "good" : entry.outcome === "ignored" ? "" : "bad"}` }, entry.outcome), h("span", { title: dateTime(entry.date) }, moment(entry.date)),
          h("span", { class: "break" }, entry.reason ?? "–"), h("code", { class: "break" }, entry.event_id ?? "–"), bytes(entry.bytes),
        ]),
      }), pager(page, load)]);
    } catch (error) {
      if (error.name !== "AbortError") replace(list, failure(error, () => load(offset)));
    }
  };
  load();
  return h("section", { class: "card flush" }, h("div", { class: "row" }, h("h2", { class: "grow" }, "Log"), h("button", { type: "button", onclick: () => load() }, "Refresh")), list);
}

// The form

async function showForm({ group, item, signal, at, go }) {
  const isNew = item === undefined;
  const source = item ?? { name: "", subtopic: "", auth: { type: "api_key" }, conditions: null, schema: null, repetition_window: 86_400, event_id_path: null, status: "ENABLED", rate_limit: {} };
  const things = await all(`/groups/${group.id}/things`, "things", signal, 500);
  if (things.length === 0) {
    return [head({ title: "New source", crumbs: ["Sources", at("sources")] }), h("section", { class: "card" }, empty("A source needs a thing", "What it takes is published as a message of one.", h("a", { class: "button primary", href: at("things") }, "Add a thing")))];
  }
  const sample = () => source.sample ?? undefined;
  const { auth } = source;
  const name = input(source.name);
  const thing = select(source.thing_id ?? things[0].id, things.map(({ id, name: label }) => [id, label]));
  const subtopic = input(source.subtopic, { placeholder: "shop/{payload.kind}" });
  const kind = select(auth.type === "api_key" ? "api_key" : auth.vendor, [["api_key", "An API key, made for you"], ...Object.entries(vendors)]);
  const { box: secret, toggle } = secretInput(auth.secret === "***" ? "" : auth.secret, { placeholder: isNew ? "" : "unchanged" });
  const custom = {
    header: input(auth.header, { placeholder: "X-Signature" }), algorithm: select(auth.algorithm ?? "sha256", [["sha256"], ["sha1"], ["sha512"]]), encoding: select(auth.encoding ?? "hex", [["hex"], ["base64"]]),
    prefix: input(auth.prefix, { placeholder: "sha256=" }), timestamp_header: input(auth.timestamp_header, { placeholder: "none" }),
  };
  const [ofSecret, ofCustom] = [field("Secret", "auth.secret", secret, "As the other system shows it, or as you gave it there.", toggle),
    h("div", { class: "fields" }, field("Header", "auth.header", custom.header), field("Algorithm", "auth.algorithm", custom.algorithm), field("Written as", "auth.encoding", custom.encoding), field("Behind", "auth.prefix", custom.prefix), field("Time in header", "auth.timestamp_header", custom.timestamp_header))];
  const showKind = () => {
    ofSecret.hidden = kind.value === "api_key";
    ofCustom.hidden = kind.value !== "custom";
  };
  kind.addEventListener("change", showKind);
  showKind();
  const conditions = rules({ conditions: source.conditions, remembers: false, hint: "Events that do not meet them are acknowledged and ignored." });
  const schema = h("textarea", { value: source.schema === null ? "" : pretty(JSON.stringify(source.schema)), spellcheck: "false", placeholder: '{"type":"object","required":["kind"]}' });
  const [rate, burst] = [input(source.rate_limit.per_second ?? "", { type: "number", min: "0", step: "any", placeholder: "100" }), input(source.rate_limit.burst ?? "", { type: "number", min: "1", placeholder: "200" })];
  const window = input(source.repetition_window, { type: "number", min: "0" });
  const path = input(source.event_id_path, { placeholder: "data.id" });
  const enabled = check("Enabled", "status", source.status === "ENABLED", "A disabled source takes events only while somebody listens.");
  const problem = h("p", { class: "fault", role: "alert" });

  const draft = () => {
    let schemaValue = null;
    if (schema.value.trim() !== "") {
      try {
        schemaValue = JSON.parse(schema.value);
      } catch {
        throw Object.assign(new Error("schema must be JSON"), { field: "schema" });
      }
    }
    const proofOf = kind.value === "api_key" ? { type: "api_key" } : { type: "signature", vendor: kind.value, ...(secret.value === "" ? {} : { secret: secret.value }),
      ...(kind.value === "custom" ? { header: custom.header.value, algorithm: custom.algorithm.value, encoding: custom.encoding.value, prefix: custom.prefix.value, timestamp_header: custom.timestamp_header.value || null } : {}) };
    return {
      ...(isNew && name.value === "" ? {} : { name: name.value }), thing_id: thing.value, subtopic: subtopic.value, auth: proofOf, conditions: conditions.read(), schema: schemaValue, status: enabled.box.checked ? "ENABLED" : "DISABLED",
      rate_limit: rate.value === "" ? null : { per_second: Number(rate.value), ...(burst.value === "" ? {} : { burst: Number(burst.value) }) }, repetition_window: numberOrNull(window), event_id_path: path.value || null,
    };
  };
  const save = h("button", { class: "primary" }, isNew ? "Create source" : "Save");
  const form = h("form", {
    class: "stack", novalidate: true,
    onsubmit: async (event) => {
      event.preventDefault();
      clearFaults(form);
      problem.textContent = "";
      save.disabled = true;
      try {
        const saved = isNew ? (await post(`/groups/${group.id}/sources`, [draft()]))[0] : await put(`/sources/${source.id}`, draft());
        if (saved.key) await showKey(saved);
        else toast("Saved");
        go(`#/source/${saved.id}`);
      } catch (error) {
        if (!showFault(form, error)) problem.textContent = error.message;
      } finally {
        save.disabled = false;
      }
    },
  },
  h("section", { class: "card stack" }, h("h2", {}, "Source"), field("Name", "name", name, isNew ? "Empty: named after what shows who it is from." : undefined), field("Thing", "thing_id", thing, "What comes in is published as its messages."), field("Subtopic", "subtopic", subtopic, undefined, dynamicData(subtopic, "the subtopic", sample)), enabled.element),
  h("section", { class: "card stack" }, h("h2", {}, "Who it is from"), field("Shown by", "auth", kind), ofSecret, ofCustom),
  h("section", { class: "card stack" }, h("h2", {}, "What is wanted"), conditions.element, field("Schema", "schema", schema, "A JSON Schema that events have to fit."),
    h("div", { class: "fields" }, field("Events per second", "rate_limit.per_second", rate), field("In bursts of", "rate_limit.burst", burst), field("Repetitions within", "repetition_window", window, "seconds"), field("Id of an event", "event_id_path", path, "A path into it; empty: the other system's own place."))),
  problem, h("div", { class: "actions" }, h("a", { class: "button", href: isNew ? at("sources") : `#/source/${source.id}` }, "Cancel"), save));
  return [head({ title: isNew ? "New source" : `Edit ${source.name}`, crumbs: isNew ? ["Sources", at("sources")] : [source.name, `#/source/${source.id}`] }), form];
}
