// Who is told what: the group's channels, one's own, and one's address.

import { get, post, put, Refusal } from "./api.js";
import { h, icon, replace, uniqueID } from "./dom.js";
import { check, field, input, onSubmit, select, watched } from "./fields.js";
import { table } from "./lists.js";
import { confirm, dialog, menu, showOnce } from "./overlays.js";
import { attempt, busy, empty, head, moment, toast } from "./ui.js";

const types = {
  email: "E-mail",
  slack: "Slack",
  teams: "Teams",
  discord: "Discord",
  mqtt: "MQTT",
  post: "Signed POST",
};

const events = {
  WEBHOOK_FAILING: "A webhook begins to fail",
  WEBHOOK_HALF_LIMIT: "Half of its failure limit is reached",
  WEBHOOK_DISABLED: "It was disabled because of errors",
  WEBHOOK_RECOVERED: "It works again",
  DELIVERY_GIVEN_UP: "Deliveries were given up",
  WEBHOOK_BEHIND: "It falls behind",
  KEY_ENDING: "An API key is about to end",
  CERTIFICATE_ENDING: "A client certificate is about to end",
};

const times = [["0", "At once"], ["60", "A minute"], ["600", "Ten minutes"], ["3600", "An hour"], ["86400", "A day"]];

export function show(context) {
  const { group, me, can } = context;
  const ofGroup = section(context, {
    title: `Notices of ${group.name}`,
    hint: "For everybody who looks after the group's webhooks.",
    path: `/groups/${group.id}/notices`,
    mayChange: can("admin"),
    isOwn: false,
  });
  // One's own are a user's affair.
  const own = !me.key && [
    section(context, {
      title: "Your own notices",
      hint: "Of all groups that you are a member of.",
      path: "/me/notices",
      mayChange: true,
      isOwn: true,
    }),
    address(context),
  ];
  return [head({ title: "Notices" }), h("div", { class: "stack" }, ofGroup, own)];
}

function section({ signal, me }, { title, hint, path, mayChange, isOwn }) {
  const list = h("div", {});
  let channels = [];
  const load = () =>
    attempt(list, signal, async (signal) => {
      draw((await get(path, signal)).channels);
    });
  const save = async (wanted) => {
    try {
      const answer = await put(path, { channels: wanted.map(stored) });
      draw(answer.channels);
      return answer.channels;
    } catch (error) {
      // The form has one of them.
      throw error.field ? new Refusal(error.status, shorter(error.message), shorter(error.field)) : error;
    }
  };
  const edit = async (channel) => {
    const made = await channelDialog(
      channel,
      { me, isOwn },
      (draft) =>
        save(
          channel ? channels.map((each) => each.id === channel.id ? { ...each, ...draft } : each) : [
            ...channels,
            draft,
          ],
        ),
    );
    const secret = made?.find((each) => each.secret)?.secret;
    if (!secret) return;
    await showOnce(
      "What it signs with",
      "It is shown now and never again. Receivers check with it that a notice is Hookline's.",
      secret,
      "the secret",
      `export WEBHOOK_SECRET=${secret}`,
    );
  };
  const forget = async (channel) => {
    if (!await confirm(`Remove “${channel.name}”?`, "What waits for it goes with it.", `Remove “${channel.name}”`)) {
      return;
    }
    await attempt(list, signal, () => save(channels.filter((each) => each.id !== channel.id)));
  };
  const test = (channel) => {
    const button = h("button", {
      type: "button",
      "aria-label": `Send a test notice to ${channel.name}`,
      onclick: () =>
        busy(button, async () => {
          await post(`${path}/test`, { channel_id: channel.id });
          const now = await outcome(path, channel, signal);
          if (now) draw(now);
          const after = now?.find((each) => each.id === channel.id);
          if (after?.last_error) toast(`“${channel.name}” did not get it: ${after.last_error}`, "bad");
          else toast(after ? `“${channel.name}” has got it` : "It is still on its way");
        }),
    }, "Send a test notice");
    return button;
  };
  const draw = (now) => {
    channels = now;
    if (channels.length === 0) {
      return replace(
        list,
        empty("Nobody is told", "A channel tells people when a webhook fails and when it works again."),
      );
    }
    const columns = [
      { label: "Name" },
      { label: "Goes to" },
      { label: "Last notice", class: "fit" },
      { label: "Test", hides: true, class: "fit" },
      { label: "Actions", hides: true, class: "fit" },
    ];
    replace(
      list,
      table({
        label: title,
        columns: mayChange ? columns : columns.slice(0, -2),
        rows: channels.map((channel) => {
          const cells = [
            h(
              "span",
              {},
              h("span", { class: "name" }, channel.name),
              channel.status !== "ENABLED" &&
                h("span", { class: "badge" }, channel.status === "DISABLED" ? "Off" : "Unreadable"),
            ),
            h(
              "span",
              { class: "break" },
              types[channel.type] ?? channel.type,
              h("span", { class: "muted small" }, ` ${channel.to ?? channel.url ?? channel.topic ?? "your address"}`),
              channel.last_error &&
                h("p", { class: "fault" }, channel.last_error, " (", moment(channel.last_error_at), ")"),
            ),
            moment(channel.last_given_at),
          ];
          return mayChange
            ? [
              ...cells,
              test(channel),
              menu(`Actions for ${channel.name}`, [
                ["Edit", () => edit(channel)],
                ["Remove", () => forget(channel), "danger"],
              ]),
            ]
            : cells;
        }),
      }),
    );
  };
  load();
  return h(
    "section",
    { class: "card flush" },
    h(
      "div",
      { class: "row" },
      h("div", { class: "grow" }, h("h2", {}, title), h("p", { class: "hint" }, hint)),
      mayChange &&
        h(
          "button",
          { type: "button", "aria-label": `New channel in ${title}`, onclick: () => edit() },
          icon("plus"),
          "New channel",
        ),
    ),
    list,
  );
}

/** Without its place in the list. */
const shorter = (text) => text.replace(/^channels\[\d+\]\.?/, "");

/** A channel as it is sent: what is only told is left out. */
const stored = ({ id, name, type, status, events, gather_seconds, to, url }) => ({
  id,
  name,
  type,
  status,
  events,
  gather_seconds,
  to,
  url,
});

/** Waits for what becomes of a notice; nothing if that takes long. */
async function outcome(path, before, signal) {
  for (let tries = 0; tries < 40; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { channels } = await get(path, signal);
    const now = channels.find((each) => each.id === before.id);
    if (!now || now.given !== before.given || now.last_error_at !== before.last_error_at) return channels;
  }
}

/** The form of one channel; answers what `save` does. */
function channelDialog(channel, { me, isOwn }, save) {
  return dialog(channel ? `Edit “${channel.name}”` : "New channel", (close, leave) => {
    const problem = h("p", { class: "fault", role: "alert" });
    const name = input(channel?.name, { autofocus: true });
    const type = select(channel?.type ?? "email", Object.entries(types), { onchange: () => fit() });
    const to = input(channel?.to, { type: "email", placeholder: "ops@example.com" });
    const url = input(channel?.url, { type: "url", placeholder: "https://…" });
    const gather = select(String(channel?.gather_seconds ?? 60), choices(channel?.gather_seconds));
    const isOn = check("Enabled", "status", channel?.status !== "DISABLED");
    const boxes = Object.entries(events).map(([event, label]) => {
      const box = h("input", {
        type: "checkbox",
        id: uniqueID("f"),
        value: event,
        checked: channel ? channel.events.includes(event) : true,
      });
      return h("div", { class: "check" }, box, h("label", { for: box.id }, label));
    });
    const mailHint = me.has_mail
      ? isOwn && "Left empty, your address below is used."
      : "No mail is sent here until the operator sets SMTP_URL.";
    const places = {
      to: field("Address", "to", to, mailHint),
      url: field(
        "Url",
        "url",
        url,
        channel ? "Left as it is, it stays what it is." : "As the chat gives it. It is not shown again.",
      ),
    };
    const fit = () => {
      places.to.hidden = type.value !== "email";
      places.url.hidden = type.value === "email" || type.value === "mqtt";
    };
    fit();
    const draft = () => ({
      name: name.value,
      type: type.value,
      status: isOn.box.checked ? "ENABLED" : "DISABLED",
      events: boxes.map((each) => each.querySelector("input")).filter((box) => box.checked).map((box) => box.value),
      gather_seconds: Number(gather.value),
      to: type.value === "email" ? to.value.trim() : undefined,
      url: places.url.hidden ? undefined : url.value.trim(),
    });
    return watched(h(
      "form",
      { novalidate: true, onsubmit: onSubmit(problem, async () => close(await save(draft()))) },
      field("Name", "name", name),
      field("Type", "type", type),
      places.to,
      places.url,
      h("fieldset", { "data-field": "events" }, h("legend", {}, "Tells when"), boxes, h("span", { class: "fault" })),
      field("Gather for", "gather_seconds", gather, "What comes within this time is given together."),
      isOn.element,
      problem,
      h(
        "div",
        { class: "actions" },
        h("button", { type: "button", onclick: leave }, "Cancel"),
        h("button", { class: "primary" }, "Save"),
      ),
    ));
  });
}

const choices = (seconds = 60) =>
  times.some(([value]) => value === String(seconds)) ? times : [[String(seconds), `${seconds} seconds`], ...times];

/** Where one is reached. */
function address({ me, signal }) {
  const problem = h("p", { class: "fault", role: "alert" });
  const email = input(me.email, { type: "email" });
  const hint = me.token_email
    ? `Left empty, it is ${me.token_email}, as your identity provider says.`
    : "Notices of yours go there.";
  return h(
    "section",
    { class: "card stack" },
    h("h2", {}, "Your address"),
    watched(h(
      "form",
      {
        class: "stack",
        novalidate: true,
        onsubmit: onSubmit(problem, async () => {
          Object.assign(me, { email: undefined }, await put("/me", { email: email.value.trim() }, signal));
          toast("Saved");
        }),
      },
      field("E-mail", "email", email, hint),
      problem,
      h("div", { class: "row" }, h("button", { class: "primary" }, "Save the address")),
    )),
  );
}
