// Sending kept messages to a webhook once more: choosing them, seeing how far that is, cancelling it.

import { get, post, remove } from "./api.js";
import { numberOrNull, words } from "./editors.js";
import { h, replace } from "./dom.js";
import { check, field, input, select, timeInput } from "./fields.js";
import { bytes, clockTime, number } from "./format.js";
import { formDialog } from "./overlays.js";
import { picker, thingsOf } from "./thingpicker.js";
import { attempt, busy, moment, timeOf, toast } from "./ui.js";

const counted = ({ messages, bytes: size, skipped, is_capped: isCapped }) =>
  `${number(messages)}${isCapped ? " or more" : ""} ${messages === 1 ? "message" : "messages"}, ${bytes(size)}${
    skipped > 0 ? `; ${number(skipped)} do not meet its conditions` : ""
  }.`;

/** Asks what is to be sent, and starts it. */
export function resendDialog(webhook, signal, onStart) {
  const what = select("range", [["range", "What came in within a time"], [
    "before",
    "What came in before the webhook was made",
  ]]);
  const [from, to] = [timeInput(Date.now() - 86_400_000), timeInput(undefined)];
  const times = h("div", { class: "fields" }, field("From", "from", from), field("To", "to", to, "Empty: until now."));
  what.addEventListener("change", () => {
    times.hidden = what.value === "before";
  });
  const status = select("any", [["any", "Whatever became of it here"], ["succeeded", "What succeeded"], [
    "failed",
    "What has failed",
  ]]);
  const subtopics = input("", { placeholder: "room/+, alarms/#" });
  const rate = input("", { type: "number", min: "0.01", step: "any" });
  const ids = select("same", [["same", "The same as before"], ["new", "New ones"]]);
  const conditions = check(
    "Only what it would get",
    "conditions",
    true,
    "By its trigger and conditions, and the things' profiles, as they are now.",
  );
  const things = picker({
    label: "Things",
    name: "things",
    hint: "None chosen: all.",
    among: thingsOf(webhook.group_id),
    chosen: [],
    isMultiple: true,
    none: "All; type a name to choose",
    signal,
  });
  const selection = () => ({
    from: what.value === "before" ? 0 : clockTime(from.value) ?? null,
    to: what.value === "before" ? webhook.created_at : to.value === "" ? null : clockTime(to.value) + 60_000,
    status: status.value,
    subtopics: words(subtopics.value),
    things: things.read(),
    rate: numberOrNull(rate),
    ids: ids.value,
    conditions: conditions.box.checked,
  });
  const answer = h("span", { class: "grow", role: "status" });
  const count = h("button", {
    type: "button",
    onclick: () =>
      busy(count, async () => {
        replace(answer, "Counting …");
        try {
          replace(
            answer,
            counted(await post(`/webhooks/${webhook.id}/resends`, { ...selection(), dry_run: true }, signal)),
          );
        } catch (error) {
          replace(answer);
          throw error;
        }
      }),
  }, "Count");
  return formDialog(
    `Send to “${webhook.name}” again`,
    [
      h(
        "p",
        { class: "muted" },
        "Messages that are kept are sent once more. What waits for the webhook already is left alone.",
      ),
      field("Which messages", "which", what),
      times,
      h(
        "div",
        { class: "fields" },
        field("Of these", "status", status),
        field("Subtopics", "subtopics", subtopics, "None: all."),
        field("Messages per second", "rate", rate, "Empty: as fast as it takes them."),
        field("Their webhook-id", "ids", ids, "New ones, if the receiver passes over what it has seen."),
      ),
      things.element,
      conditions.element,
      h("div", { class: "row" }, count, answer),
    ],
    "Send",
    async () => {
      await post(`/webhooks/${webhook.id}/resends`, selection());
      toast("It is being sent");
      onStart();
    },
  );
}

/** Sends one delivery again. */
export const resendOne = async (webhook, delivery, onStart) => {
  const one = { delivery_ids: [delivery] };
  const { messages } = await post(`/webhooks/${webhook.id}/resends`, { ...one, dry_run: true });
  if (messages === 0) throw new Error("Its message is not kept: its thing's profile says so, or its time is over.");
  await post(`/webhooks/${webhook.id}/resends`, one);
  toast("It is being sent");
  onStart?.();
};

const states = { RUNNING: ["wait", "Under way"], DONE: ["good", "Done"], CANCELLED: ["", "Cancelled"] };

const which = (resend) =>
  resend.named ? `${number(resend.named)} by name` : [
    resend.from ? ["from ", timeOf(resend.from, "dateTime")] : "from the first that is kept",
    resend.to ? [" to ", timeOf(resend.to, "dateTime")] : "",
  ];

/** What is being sent again, and was of late; nothing if nothing is. `load` looks again. */
export function resendSection(webhook, { signal, mayCancel }) {
  const place = h("div", { class: "stack" });
  const section = h("section", { class: "card stack", hidden: true }, h("h2", {}, "Sent again"), place);
  let timer;
  const row = (resend) => {
    const [kind, text] = states[resend.state] ?? ["", resend.state];
    const cancel = mayCancel && resend.state === "RUNNING" &&
      h("button", {
        type: "button",
        onclick: () =>
          busy(cancel, async () => {
            await remove(`/resends/${resend.id}`);
            await load();
          }),
      }, "Cancel");
    return h(
      "div",
      { class: "stack tight" },
      h(
        "div",
        { class: "row" },
        h("span", { class: `badge ${kind}` }, text),
        h("span", { class: "grow break" }, which(resend), " · asked for ", moment(resend.requested_at)),
        cancel,
      ),
      resend.ended_at === undefined &&
        h("progress", { max: "1", value: String(resend.progress), "aria-label": `How far resend ${resend.id} is` }),
      h(
        "p",
        { class: "muted small" },
        `${number(resend.messages)} chosen, ${number(resend.succeeded)} succeeded, ${number(resend.failed)} failed, ${
          number(resend.waiting)
        } under way${resend.skipped ? `, ${number(resend.skipped)} skipped` : ""}`,
      ),
    );
  };
  const load = () =>
    attempt(place, signal, async (signal) => {
      clearTimeout(timer);
      const { resends } = await get(`/webhooks/${webhook.id}/resends?limit=5`, signal);
      section.hidden = resends.length === 0;
      replace(place, resends.map(row));
      if (resends.some((resend) => resend.ended_at === undefined) && !signal.aborted) timer = setTimeout(load, 1000);
    });
  signal.addEventListener("abort", () => clearTimeout(timer));
  load();
  return { section, load };
}
