// What is published on the broker, and the rules that would take it. For root.

import { get, post, put, query } from "./api.js";
import { h, icon, replace } from "./dom.js";
import { field, input, select } from "./fields.js";
import { number } from "./format.js";
import { table } from "./lists.js";
import { confirm } from "./overlays.js";
import { attempt, busy, copyButton, empty, head, toast } from "./ui.js";

const spans = [["3", "3 seconds"], ["5", "5 seconds"], ["15", "15 seconds"], ["30", "30 seconds"]];
const columns = [
  { label: "Topic" },
  { label: "Messages", class: "fit" },
  { label: "Newest payload" },
  { label: "Taken by" },
  { label: "Actions", hides: true, class: "fit" },
];

export function show({ group, signal, me }) {
  if (!me.root) return [head({ title: "Broker" }), empty("Not for you", "What is on the broker is root's to see.")];
  const filter = input("#", { placeholder: "zigbee2mqtt/#" });
  const seconds = select("5", spans);
  const list = h("div", { "aria-live": "polite" }, hint());
  const listen = () =>
    attempt(list, signal, async (signal) => {
      replace(list, h("p", { class: "loading", role: "status" }, `Listening for ${seconds.value} seconds …`));
      const wanted = query({ filter: filter.value, seconds: seconds.value });
      draw(await get(`/broker/topics${wanted}`, signal));
    });
  const draw = (found) => {
    if (found.topics.length === 0) {
      return replace(list, empty("Nothing was published", "No message came on such a topic meanwhile."));
    }
    const beyond = found.messages_beyond > 0 &&
      h("p", { class: "muted" }, `${number(found.messages_beyond)} messages more were on topics that are not listed.`);
    const rows = found.topics.map((topic) => row(topic, group, (made) => make(topic, made)));
    replace(list, table({ label: "Topics", columns, rows }), beyond || "");
  };
  /** Grants the group the topics, and sets the rule. */
  const make = async (topic, { rule, allowed_topics: wanted }) => {
    const rules = `/groups/${group.id}/topic-rules`;
    const { allowed_topics: granted } = await get(rules, signal);
    const grants = [...granted, ...wanted.filter((each) => !granted.includes(each))];
    const text = `It takes ${rule.filter}. The group is granted ${wanted.join(" and ")}.`;
    if (!await confirm(`A rule of “${group.name}” for ${topic.topic}?`, text, "Make the rule")) return;
    if (grants.length > granted.length) {
      await put(`/groups/${group.id}`, { name: group.name, allowed_topics: grants });
    }
    await post(rules, rule);
    toast("The rule is made");
    await listen();
  };
  const go = h(
    "button",
    { type: "submit", class: "primary" },
    icon("broker"),
    "Listen",
  );
  return [
    head({ title: "Broker" }),
    h(
      "section",
      { class: "card flush" },
      h(
        "form",
        {
          class: "row",
          onsubmit: (event) => {
            event.preventDefault();
            busy(go, listen);
          },
        },
        field("Topics", "filter", filter),
        field("For", "seconds", seconds),
        go,
      ),
      list,
    ),
  ];
}

const hint = () =>
  empty(
    "What do devices publish here?",
    "Listen for some seconds: whatever comes is shown, whoever it is of, with the rule that would take it.",
  );

const row = (topic, group, make) => {
  const { suggestion } = topic;
  const button = suggestion && h("button", {
    type: "button",
    "aria-label": `Make a rule for ${topic.topic}`,
    onclick: () => busy(button, () => make(suggestion)),
  }, "Make a rule");
  return [
    h(
      "span",
      {},
      h("code", { class: "break" }, topic.topic),
      suggestion && h("div", { class: "muted small break" }, "would be ", h("code", {}, suggestion.rule.filter)),
    ),
    h("span", { title: `${number(topic.bytes)} bytes` }, number(topic.messages), topic.retained && " (kept)"),
    newest(topic),
    taker(topic, group),
    button || "",
  ];
};

const newest = ({ newest: { text, base64 }, newest_is_cut: isCut }) =>
  h(
    "span",
    { class: "row" },
    h("code", { class: "break" }, (text ?? base64).slice(0, 120), (isCut || (text ?? base64).length > 120) && " …"),
    copyButton(text ?? base64, "the payload"),
  );

const taker = ({ taken_by: taken }, group) => {
  if (!taken) return h("span", { class: "muted" }, "nobody");
  if (taken.kind === "things") return "things of Hookline";
  return taken.group_id === group.id ? `rules of ${group.name}` : h("code", { class: "break" }, taken.group_id);
};
