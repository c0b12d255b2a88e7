// Fields of several parts: rows of keys and values, rules of conditions, and the list of dynamic data.

import { h, icon, replace } from "./dom.js";
import { check, field, input, secretInput, select } from "./fields.js";
import { popup } from "./overlays.js";
import { partsOf, textOf, typed } from "./rawjson.js";

const placeholders = [
  ["{payload}", "the payload"],
  ["{value}", "the payload's member value, or else the payload"],
  ["{thing_id}", "the thing"],
  ["{thing_name}", "its name"],
  ["{thing.external_id}", "what its owners call it"],
  ["{thing.metadata}", "what they keep with it, or {thing.metadata.site} of it"],
  ["{thing.labels}", "its labels, or {thing.labels.site} of one that is site=…"],
  ["{profile_id}", "its profile"],
  ["{profile.metadata}", "what they keep with its profile"],
  ["{profile.labels}", "the labels of its profile"],
  ["{group_id}", "the group"],
  ["{org_id}", "its org"],
  ["{user_id}", "of a member's event, or who fired it"],
  ["{topic}", "where it was published"],
  ["{subtopic}", "the part behind messages/"],
  ["{payload_base64}", "the payload in base64, whatever it holds"],
  ["{payload_hex}", "the same in hexadecimal"],
  ["{mqtt.user}", "its user properties (MQTT 5), or {mqtt.user.site} of them"],
  ["{mqtt.content_type}", "the type that it was published with"],
  ["{mqtt.response_topic}", "where it asks to be answered"],
  ["{mqtt.correlation_data}", "and with what, in base64"],
  ["{mqtt.expiry}", "for how many seconds it is of use"],
  ["{mqtt.topic}", "the topic as it was published, {mqtt.qos} and {mqtt.retain} how"],
  ["{message_id}", "the message's number"],
  ["{received_at}", "when it came in, in ms since 1970"],
  ["{state}", "of a crossing: active or normal"],
  ["{since}", "since when the conditions are met, or were, in ms since 1970"],
  ["{previous}", "the state before"],
];

/** The places of a payload, with the values of this one: `[["{payload.a[0]}", "21.70"]]`. */
function pathsOf(payload, most = 200) {
  const found = [];
  const walk = (text, path) => {
    if (found.length >= most) return;
    if (path !== "") found.push([`{payload${path}}`, text]);
    for (const [name, each] of partsOf(text)) {
      walk(each, /^[A-Za-z_][\w-]*$/.test(name) ? `${path}.${name}` : `${path}[${JSON.stringify(name)}]`);
    }
  };
  if (payload) walk(payload.text, "");
  return found;
}

/**
 * A button beside a field that inserts placeholders at its cursor.
 *
 * - sample: answers the payload that is at hand, `Written`, or undefined.
 */
export function dynamicData(control, what, sample) {
  let close;
  const button = h("button", {
    type: "button",
    class: "icon-only",
    "aria-haspopup": "dialog",
    "aria-expanded": "false",
    title: "Insert dynamic data",
    "aria-label": `Insert dynamic data into ${what}`,
    onclick: () => {
      if (close) return close();
      const known = [...placeholders, ...pathsOf(sample())];
      const list = h("ul", {});
      const search = input("", {
        type: "search",
        placeholder: "Search dynamic data",
        "aria-label": "Search dynamic data",
      });
      const fill = () => {
        const wanted = search.value.toLowerCase();
        const fitting = known.filter(([text, hint]) => `${text} ${hint}`.toLowerCase().includes(wanted));
        replace(
          list,
          fitting.map(([text, hint]) =>
            h(
              "li",
              {},
              h(
                "button",
                {
                  type: "button",
                  onclick: () => {
                    close(false);
                    insert(control, text);
                  },
                },
                h("code", {}, text),
                h("span", { class: "hint break" }, hint.length > 80 ? `${hint.slice(0, 80)}…` : hint),
              ),
            )
          ),
          fitting.length === 0 && h("li", { class: "hint" }, "There is none like that."),
        );
      };
      search.addEventListener("input", fill);
      search.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === "ArrowDown") {
          event.preventDefault();
          const first = list.querySelector("button");
          if (event.key === "Enter") first?.click();
          else first?.focus();
        }
      });
      fill();
      close = popup(
        button,
        h("div", { class: "popup picker", role: "dialog", "aria-label": "Dynamic data" }, search, list),
        () => {
          close = undefined;
        },
      );
      search.focus();
    },
  }, icon("braces"));
  return button;
}

function insert(control, text) {
  const [start, end] = [control.selectionStart ?? control.value.length, control.selectionEnd ?? control.value.length];
  control.focus();
  control.setRangeText(text, start, end, "end");
  control.dispatchEvent(new Event("input", { bubbles: true }));
}

/**
 * Rows of a key and a value.
 *
 * @param {{
 *   legend: string, name: string, rows: string[][], keyLabel: string, sample: () => any, hidesValues?: boolean, hint?: string,
 * }} parts `hidesValues` if they are secrets as often as not; `sample` as of `dynamicData`.
 */
export function pairs({ legend, name, rows, keyLabel, sample, hidesValues, hint }) {
  const list = h("div", { class: "stack tight" });
  const lines = [];
  const add = (key = "", value = "") => {
    const keyBox = input(key, { "aria-label": `${keyLabel} ${lines.length + 1}`, placeholder: keyLabel });
    const { box, toggle } = hidesValues ? secretInput(value) : { box: input(value) };
    box.setAttribute("aria-label", `Value ${lines.length + 1}`);
    box.setAttribute("placeholder", "Value");
    const line = { keyBox, box };
    const element = h(
      "div",
      { class: "pair" },
      keyBox,
      h("div", { class: "with" }, box, toggle),
      dynamicData(box, `value ${lines.length + 1}`, sample),
      h("button", {
        type: "button",
        class: "icon-only",
        "aria-label": `Remove row ${lines.length + 1}`,
        title: "Remove",
        onclick: () => {
          lines.splice(lines.indexOf(line), 1);
          element.remove();
          more.focus();
          list.dispatchEvent(new Event("input", { bubbles: true }));
        },
      }, icon("close")),
    );
    lines.push(line);
    list.append(element);
    return keyBox;
  };
  const more = h("button", { type: "button", onclick: () => add().focus() }, icon("plus"), "Add a row");
  for (const [key, value] of rows) add(key, value);
  const element = h(
    "fieldset",
    { "data-field": name },
    h("legend", {}, legend),
    hint && h("span", { class: "hint" }, hint),
    list,
    h("span", { class: "fault" }),
    h("div", {}, more),
  );
  return {
    element,
    read: () =>
      lines.filter(({ keyBox, box }) => keyBox.value !== "" || box.value !== "").map((
        { keyBox, box },
      ) => [keyBox.value, box.value]),
  };
}

const operators = ["eq", "ne", "gt", "ge", "lt", "le", "contains", "in", "exists", "changed", "changed_by"];

const edges = [
  ["", "with every such message"],
  ["becomes", "once, when they become true"],
  ["is_no_longer", "once, when they no longer are"],
  ["both", "once at each crossing"],
  ["silent", "never: alarms alone"],
];
const withUntil = ["gt", "ge", "lt", "le"];

/**
 * Rules that a payload has to meet. Values are JSON; what is none is taken for a string. `remembers` allows what depends on
 * messages before; `durations` is how long they may have to be met.
 */
export function rules({ conditions, remembers = true, durations = {}, hint }) {
  const list = h("div", { class: "stack tight" });
  const lines = [];
  const match = select(
    conditions?.match ?? "all",
    [["all", "all of these are met"], ["any", "any of these is met"]],
    { "aria-label": "How many rules have to be met" },
  );
  const edge = select(conditions?.edge ?? "", edges);
  const duration = input(conditions?.for ?? "", { type: "number", ...durations, placeholder: "0" });
  const ofDuration = field("Once they are true for (seconds)", "conditions.for", duration);
  const showEdge = () => {
    ofDuration.hidden = edge.value === "";
    for (const { show } of lines) show();
  };
  edge.addEventListener("change", showEdge);
  const known = remembers ? operators : operators.filter((operator) => !operator.startsWith("changed"));
  const add = (rule = { path: "", operator: "eq" }) => {
    const path = input(rule.of === "mqtt" ? `{mqtt.${rule.path}}` : rule.path, {
      "aria-label": `Path ${lines.length + 1}`,
      placeholder: "sensor.values[0]",
    });
    const operator = select(rule.operator, known.map((each) => [each, each.replace("_", " ")]), {
      "aria-label": `Operator ${lines.length + 1}`,
    });
    const value = input(rule.value === undefined ? "" : textOf(rule.value), {
      "aria-label": `Compared with ${lines.length + 1}`,
      placeholder: '30 or "C"',
    });
    const until = input(rule.until === undefined ? "" : textOf(rule.until), {
      "aria-label": `Until it is beyond ${lines.length + 1}`,
      title: "What is met stays so until the value is beyond this: gt 30 until 28 ends below 28",
      placeholder: "until",
    });
    const show = () => {
      value.disabled = operator.value === "changed";
      until.hidden = edge.value === "" || !withUntil.includes(operator.value);
      element.classList.toggle("ends", !until.hidden);
    };
    operator.addEventListener("change", show);
    const line = { path, operator, value, until, show };
    const element = h(
      "div",
      { class: "rule" },
      path,
      operator,
      value,
      until,
      h("button", {
        type: "button",
        class: "icon-only",
        "aria-label": `Remove rule ${lines.length + 1}`,
        title: "Remove",
        onclick: () => {
          lines.splice(lines.indexOf(line), 1);
          element.remove();
          more.focus();
        },
      }, icon("close")),
    );
    show();
    lines.push(line);
    list.append(element);
    return path;
  };
  const more = h("button", { type: "button", onclick: () => add().focus() }, icon("plus"), "Add a rule");
  for (const rule of conditions?.rules ?? []) add(rule);
  showEdge();
  const read = () => (lines.length === 0 ? null : {
    match: match.value,
    ...(edge.value === "" ? {} : { edge: edge.value }),
    ...(edge.value === "" || duration.value === "" ? {} : { for: numberOrNull(duration) }),
    rules: lines.map(({ path, operator, value, until }) => ({
      ...subject(path.value),
      operator: operator.value,
      ...(value.disabled || value.value === "" ? {} : { value: readValue(value.value) }),
      ...(until.hidden || until.value === "" ? {} : { until: readValue(until.value) }),
    })),
  });
  return {
    element: h(
      "fieldset",
      { "data-field": "conditions" },
      h("legend", {}, "Only if"),
      hint && h("span", { class: "hint" }, hint),
      h("div", {}, match),
      list,
      h("span", { class: "fault" }),
      h("div", {}, more),
      remembers &&
        h("div", { class: "fields" }, field("It is called", "conditions.edge", edge), ofDuration),
    ),
    read,
  };
}

/** Where a rule looks: into the payload, or as a placeholder says it into what the publish said of itself. */
function subject(text) {
  const ofPublish = /^\{mqtt\.(.*)\}$/.exec(text.trim());
  return ofPublish ? { of: "mqtt", path: ofPublish[1] } : { path: text };
}

/** JSON as it was typed; what is none is taken for a string. */
export const readValue = (text) => typed(text) ?? text;

/** Part of a form that is there only if wanted. */
export function optional(label, name, isOn, content, hint) {
  const { box, element } = check(label, name, isOn, hint);
  const inside = h("div", { class: "stack", hidden: !isOn }, content);
  box.addEventListener("change", () => {
    inside.hidden = !box.checked;
  });
  return { box, element: h("div", { class: "stack" }, element, inside) };
}

/** Words parted by commas or lines. */
export const words = (text) => text.split(/[\s,]+/).filter((word) => word !== "");

/** A number, or null where nothing is written. */
export const numberOrNull = (box) => (box.value.trim() === "" ? null : Number(box.value));
