// What a thing is told to do: sent from here, with what became of it.

import { get, postText, query, remove } from "./api.js";
import { h } from "./dom.js";
import { field, input, onSubmit, select, watched } from "./fields.js";
import { dateTime } from "./format.js";
import { listSection, table } from "./lists.js";
import { confirm } from "./overlays.js";
import { busy, empty, moment, toast } from "./ui.js";

const columns = [
  { label: "State", class: "fit" },
  { label: "Sent", class: "fit" },
  { label: "Subtopic", class: "fit" },
  { label: "Payload" },
  { label: "Answer" },
  { label: "Actions", hides: true, class: "fit" },
];

const looks = { pending: "wait", published: "good", answered: "good", expired: "bad", refused: "bad" };

const badge = ({ state, problem }) =>
  h("span", { class: `badge ${looks[state] ?? ""}`, title: problem }, state[0].toUpperCase() + state.slice(1));

const shown = (text, base64) => text ?? (base64 === undefined ? "–" : `base64: ${base64}`);

/** Who it waits for, and until when. */
const waits = ({ state, problem, expires_at: end }) =>
  state === "pending" && h("p", { class: "muted small" }, problem ?? "Waits for the thing", " · expires ", moment(end));

const canEnd = ({ state, retain, deliver, ended_at: end }) =>
  end === undefined && (state === "pending" || retain || deliver === "until_answered");

/** Sends what is typed, byte for byte. */
function form(thing, onSent) {
  const subtopic = input("", { placeholder: "led/1" });
  const payload = h("textarea", { spellcheck: "false", rows: 2, placeholder: '{"on": true}' });
  const deliver = select("now", [
    ["now", "Now, or when heard of"],
    ["when_seen", "When heard of"],
    ["until_answered", "Until it answers"],
  ]);
  const key = input("", { maxlength: 100 });
  const problem = h("p", { class: "fault", role: "alert" });
  return watched(h(
    "form",
    {
      class: "stack",
      "aria-label": "Send a command",
      novalidate: true,
      onsubmit: onSubmit(problem, async () => {
        const below = subtopic.value.split("/").map(encodeURIComponent).join("/");
        const asked = query({ deliver: deliver.value, key: key.value });
        const sent = await postText(
          `/things/${thing.id}/commands${below && `/${below}`}${asked}`,
          payload.value,
          "text/plain",
        );
        toast(`Goes to ${sent.topic}`);
        onSent();
      }),
    },
    h(
      "div",
      { class: "fields" },
      field("Topic below commands", "subtopic", subtopic),
      field("When it goes out", "deliver", deliver),
      field(
        "Name of its kind",
        "key",
        key,
        "It takes the place of one of the same kind that the thing does not have yet.",
      ),
    ),
    field("Command", "payload", payload),
    problem,
    h("div", {}, h("button", {}, "Send")),
  ));
}

export function commandsSection(thing, signal, can) {
  const place = h("div", {});
  const draw = () => place.replaceChildren(list());
  const cancel = (each) => {
    const button = h("button", {
      type: "button",
      "aria-label": `Cancel the command of ${dateTime(each.created_at)}`,
      onclick: async () => {
        if (!await confirm("Cancel this command?", "The thing will not get it any more.", "Cancel it")) return;
        await busy(button, async () => {
          await remove(`/commands/${each.id}`);
          toast("Cancelled");
          draw();
        });
      },
    }, "Cancel");
    return button;
  };
  const row = (each) => [
    badge(each),
    dateTime(each.created_at),
    h("code", {}, each.topic.split("/").slice(3).join("/") || "–"),
    h("div", {}, h("code", { class: "break" }, shown(each.payload, each.payload_base64)), waits(each)),
    h("code", { class: "break" }, shown(each.answer, each.answer_base64)),
    can("editor") && canEnd(each) ? cancel(each) : "",
  ];
  const list = () =>
    listSection(
      "Commands",
      signal,
      (at, signal) => get(`/things/${thing.id}/commands${query({ ...at, limit: 10 })}`, signal),
      (page) =>
        page.total === 0
          ? empty("No commands", "What the thing is told to do is published below its topic commands.")
          : table({ label: "Commands", columns, rows: page.commands.map(row) }),
    );
  draw();
  return [
    can("editor") && h("section", { class: "card" }, h("h2", {}, "Tell this thing"), form(thing, draw)),
    place,
  ];
}
