// One source: its url, listening for a sample, its log.

import { events, get, post, put, query, remove } from "./api.js";
import { h, replace } from "./dom.js";
import { bytes, number, pretty } from "./format.js";
import { listSection, table } from "./lists.js";
import { confirmDeletion, confirmNewKey, menu, showOnce } from "./overlays.js";
import { textOf } from "./rawjson.js";
import { proof } from "./sources.js";
import { busy, empty, facts, failure, head, identity, later, moment, statusBadge, toast } from "./ui.js";

export function show({ item: source, signal, can, at, go }) {
  const reload = () => go(`#/source/${source.id}`);
  const actions = can("editor") && [
    h("a", { class: "button primary", href: `#/source/${source.id}/edit` }, "Edit"),
    menu("More actions", [
      source.auth.type === "api_key" && ["Make a new key", () => rotate(source)],
      ["Delete", async () => {
        if (
          !await confirmDeletion(
            source.name,
            "What is posted to its url is refused from then on. This cannot be undone.",
          )
        ) return;
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
    h(
      "div",
      { class: "stack" },
      h(
        "div",
        { class: "grid" },
        h(
          "section",
          { class: "card" },
          h("h2", {}, "About"),
          facts(["Url", identity(source.url, "the url")], ["Shown by", proof(source.auth)], [
            "Thing",
            later(
              get(`/things/${source.thing_id}`, signal),
              (thing) => h("a", { href: `#/thing/${thing.id}` }, thing.name),
            ),
          ], [
            "Published on",
            h("code", { class: "break" }, `…/messages${source.subtopic ? `/${source.subtopic}` : ""}`),
          ], ["Created", moment(source.created_at)]),
        ),
        h(
          "section",
          { class: "card" },
          h("h2", {}, "Events"),
          facts(["Accepted", number(source.accepted)], ["Ignored by conditions", number(source.ignored)], [
            "Rejected",
            number(source.rejected),
          ], ["Last", moment(source.last_event_at)]),
        ),
      ),
      can("editor") && sampling(source, signal, reload),
      log(source, signal),
    ),
  ];
}

/** A key is shown when it is made, and what to type with it. */
export const showKey = (source) =>
  showOnce(
    `The key of “${source.name}”`,
    "Paste this url into the other system's form. The key in it is shown now and never again.",
    source.url,
    "the url",
    `curl -X POST '${source.url}' -H 'Content-Type: application/json' -d '{"kind":"order","price":21.70}'`,
  );

export const showSecret = (source) =>
  showOnce(
    `The secret of “${source.name}”`,
    "The other system signs with it. It is shown now and never again.",
    source.secret,
    "the secret",
  );

async function rotate(source) {
  if (!await confirmNewKey(source.name)) return;
  try {
    await showKey(await post(`/sources/${source.id}/key/rotate`, {}));
  } catch (error) {
    toast(error.message, "bad");
  }
}

function sampling(source, signal, reload) {
  const place = h("div", { class: "stack", "aria-live": "polite" });
  let listening;
  const button = h(
    "button",
    { type: "button", onclick: () => (listening ? listening.abort() : listen()) },
    "Listen for a sample",
  );
  const keep = (sample, appliesSchema) => {
    const save = h("button", {
      type: "button",
      onclick: () =>
        busy(save, async () => {
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
    replace(
      place,
      h(
        "p",
        { class: "note wait" },
        `Waiting for the next event. Post something to the url now; it is shown here and ${
          source.status === "ENABLED" ? "published as always" : "goes no further"
        }.`,
      ),
    );
    try {
      for await (
        const { event, data } of events(
          "POST",
          `/sources/${source.id}/listen`,
          { timeout: 300 },
          AbortSignal.any([signal, listening.signal]),
        )
      ) {
        replace(
          place,
          event === "sample"
            ? [
              h("h3", {}, "The event"),
              h("pre", { tabindex: "0", "aria-label": "Sample" }, pretty(textOf(data.sample))),
              data.schema &&
              [
                h("h3", {}, "The schema that it suggests"),
                h(
                  "pre",
                  { tabindex: "0", "aria-label": "Schema" },
                  pretty(textOf(data.schema)),
                ),
              ],
              h(
                "div",
                { class: "row" },
                keep(data.sample, false),
                data.schema && keep(data.sample, true),
              ),
            ]
            : h("p", { class: "note" }, "Nothing came in five minutes."),
        );
      }
    } catch (error) {
      if (signal.aborted) return;
      replace(
        place,
        error.name === "AbortError" ? h("p", { class: "muted" }, "Stopped.") : failure(error, listen),
      );
    }
    listening = undefined;
    button.textContent = "Listen for a sample";
  };
  return h(
    "section",
    { class: "card stack" },
    h("div", { class: "row" }, h("h2", { class: "grow" }, "Sample"), button),
    source.sample !== null &&
      h("pre", { tabindex: "0", "aria-label": "Kept sample" }, pretty(textOf(source.sample))),
    place,
  );
}

function log(source, signal) {
  const columns = [{ label: "Outcome", class: "fit" }, { label: "Date", class: "fit" }, { label: "Reason" }, {
    label: "Event id",
  }, { label: "Size", class: "number fit" }];
  return listSection(
    "Log",
    signal,
    (place, signal) => get(`/sources/${source.id}/log${query({ ...place, limit: 25 })}`, signal),
    (page) =>
      page.total === 0 ? empty("No events yet", "Post something to the url, and it is listed here.") : table({
        label: "Events",
        columns,
        rows: page.log.map((entry) => [
          h("span", {
            class: `badge ${
              ["accepted", "repeated"].includes(entry.outcome) ? "good" : entry.outcome === "ignored" ? "" : "bad"
            }`,
          }, entry.outcome),
          moment(entry.date),
          h("span", { class: "break" }, entry.reason ?? "–"),
          h("code", { class: "break" }, entry.event_id ?? "–"),
          bytes(entry.bytes),
        ]),
      }),
  );
}
