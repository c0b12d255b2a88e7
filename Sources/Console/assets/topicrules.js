// What a group makes of topics that are not below things/.

import { get, post, put, remove } from "./api.js";
import { h, icon, replace } from "./dom.js";
import { field, input, select } from "./fields.js";
import { table } from "./lists.js";
import { confirm, formDialog } from "./overlays.js";
import { attempt, busy, empty } from "./ui.js";

const splits = [["", "One message"], ["array", "Each element of an array"], ["keys", "Each member of an object"]];

/** How payloads may be written, as a profile's decode. */
const formats = [
  ["", "JSON"],
  ["cbor", "CBOR"],
  ["msgpack", "MessagePack"],
  ["senml", "SenML"],
  ["sparkplug_b", "Sparkplug B"],
  ["text", "Text"],
  ["csv", "CSV"],
];

/** The part of the group's page with its rules, and what root grants it. */
export function topicRules(group, { signal, can, me, refreshGroups }) {
  const list = h("div", {});
  const path = `/groups/${group.id}/topic-rules`;
  const load = () => attempt(list, signal, async (signal) => draw(await get(path, signal)));
  const draw = (found) => {
    const granted = found.allowed_topics.length > 0
      ? h("p", { class: "muted" }, "Granted: ", h("code", {}, found.allowed_topics.join(", ")))
      : h("p", { class: "muted" }, "No topics are granted: root grants a group those that its rules may be for.");
    const refused = found.refused.map((each) =>
      h("li", {}, `${each.count} × ${each.reason}, last `, h("code", {}, each.last_topic))
    );
    const nothing = refused.length > 0 && h("div", {}, h("p", {}, "Nothing was made of:"), h("ul", {}, ...refused));
    if (found.rules.length === 0) {
      return replace(
        list,
        empty("No topic rules", "Things publish below things/. Rules take other topics, such as zigbee2mqtt/{thing}."),
        h("div", { class: "below" }, granted, nothing || ""),
      );
    }
    const columns = [{ label: "Filter" }, { label: "Subtopic" }, { label: "Thing" }, {
      label: "Actions",
      hides: true,
      class: "fit",
    }];
    replace(
      list,
      table({
        label: `Topic rules of ${group.name}`,
        columns,
        rows: found.rules.map((rule) => {
          const out = can("admin") && h("button", {
            type: "button",
            class: "danger",
            "aria-label": `Remove ${rule.filter}`,
            onclick: async () => {
              if (
                !await confirm(`Remove “${rule.filter}”?`, "Messages on it are no longer taken.", "Remove the rule")
              ) {
                return;
              }
              await busy(out, async () => {
                await remove(path, { rule_ids: [rule.id] });
                await load();
              });
            },
          }, "Remove");
          return [
            h(
              "span",
              {},
              h("code", {}, rule.filter),
              rule.granted ? "" : h("span", { class: "muted" }, ` (${rule.fault ?? "not granted: it takes nothing"})`),
            ),
            rule.subtopic ?? "",
            h(
              "span",
              {},
              rule.split ? `${rule.split} ${rule.split_path ?? ""} ${rule.thing ?? ""}` : rule.thing ?? "in the topic",
              rule.decode ? h("span", { class: "muted" }, ` of ${rule.decode}`) : "",
              rule.presence ? h("span", { class: "muted" }, " and its presence") : "",
            ),
            out || "",
          ];
        }),
      }),
      h(
        "div",
        { class: "below" },
        h(
          "p",
          { class: "muted" },
          found.match === "all"
            ? "Every rule that is for a topic takes it."
            : "The first rule that is for a topic takes it.",
        ),
        granted,
        nothing || "",
      ),
    );
  };
  const add = () => {
    const filter = input("", { autofocus: true, required: true, placeholder: "zigbee2mqtt/{thing}" });
    const [subtopic, thing, splitPath] = [input(""), input(""), input("")];
    const split = select("", splits);
    const decode = select("", formats);
    const [presencePath, online, offline] = [input(""), input(""), input("")];
    const values = (written) => written.value.split(",").map((each) => each.trim()).filter((each) => each !== "");
    return formDialog(
      `A topic rule of “${group.name}”`,
      [
        field("Filter", "filter", filter, "With {thing} and {subtopic}, or {subtopic:#}, in place of wildcards."),
        field("Subtopic", "subtopic", subtopic, "If the filter does not say it: a text, with names of the filter."),
        field("Thing", "thing", thing, "If the filter does not say it: a path in the payload."),
        field("Of one payload", "split", split),
        field("Written as", "decode", decode, "How the payload is written, where it is looked into."),
        field("Parts at", "split_path", splitPath, "A path to the array or object; empty is all of it."),
        field("Connected if it says", "presence.online", online, "Such as online, with commas between several."),
        field("Disconnected if it says", "presence.offline", offline, "Such as offline."),
        field("Says it at", "presence.path", presencePath, "A path in the payload; empty is all of it."),
      ],
      "Add",
      async () => {
        await post(path, {
          filter: filter.value,
          subtopic: subtopic.value || null,
          thing: thing.value || null,
          split: split.value || null,
          split_path: splitPath.value || null,
          decode: decode.value || null,
          presence: online.value || offline.value
            ? { path: presencePath.value || null, online: values(online), offline: values(offline) }
            : null,
        });
        await load();
      },
    );
  };
  const grant = async () => {
    const found = await get(path, signal);
    const topics = input(found.allowed_topics.join(", "), { autofocus: true });
    return formDialog(
      `Topics of “${group.name}”`,
      [field("Granted", "allowed_topics", topics, "Filters such as zigbee2mqtt/#, with commas between them.")],
      "Save",
      async () => {
        const filters = topics.value.split(",").map((each) => each.trim()).filter((each) => each !== "");
        await put(`/groups/${group.id}`, { name: group.name, allowed_topics: filters });
        await refreshGroups(group.id);
        await load();
      },
    );
  };
  load();
  return h(
    "section",
    { class: "card flush" },
    h(
      "div",
      { class: "row" },
      h("h2", { class: "grow" }, `Topic rules of ${group.name}`),
      me.root && h("button", { type: "button", onclick: grant }, "Grant topics"),
      can("admin") && h("button", { type: "button", onclick: add }, icon("plus"), "Add a rule"),
    ),
    list,
  );
}
