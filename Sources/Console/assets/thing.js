// One thing: what it publishes, while it does, and what was kept of that.

import { annotations, badges } from "./annotations.js";
import { all, follow, get, post, put, query, remove } from "./api.js";
import { commandsSection } from "./commands.js";
import { h } from "./dom.js";
import { bytes, number, pretty, publishLine } from "./format.js";
import { showKey } from "./things.js";
import { field, input, onSubmit, select, watched } from "./fields.js";
import { listSection, table } from "./lists.js";
import { textOf, Written } from "./rawjson.js";
import { confirmDeletion, confirmNewKey, formDialog, menu } from "./overlays.js";
import { whySection } from "./why.js";
import { busy, command, empty, facts, head, identity, moment, pauseButton, timeOf, toast } from "./ui.js";

const mostShown = 200;

export async function show({ me, item: thing, group, query: asked, signal, can, at, go }) {
  const profiles = await all(`/groups/${group.id}/profiles`, "profiles", signal);
  const profile = profiles.find(({ id }) => id === thing.profile_id);
  const actions = can("editor") && menu("Actions", [
    ["Edit", () => edit()],
    ["Make a new key", () => rekey()],
    ["Delete", async () => {
      if (
        !await confirmDeletion(
          thing.name,
          "Its sources are deleted with it, and what it publishes is no longer taken. This cannot be undone.",
        )
      ) return;
      busy(actions, async () => {
        await remove(`/things/${thing.id}`);
        toast(`“${thing.name}” deleted`);
        go(at("things"));
      });
    }, "danger"],
  ]);
  const edit = () => {
    const name = input(thing.name, { autofocus: true, required: true });
    const kind = select(thing.profile_id, profiles.map(({ id, name: label }) => [id, label]));
    const externalID = input(thing.external_id);
    const noted = annotations(thing);
    return formDialog(
      `Edit “${thing.name}”`,
      [
        field("Name", "name", name),
        field("Profile", "profile_id", kind),
        field("External id", "external_id", externalID, "What you call it elsewhere; unique in the group."),
        ...noted.fields,
      ],
      "Save",
      async () => {
        await put(`/things/${thing.id}`, {
          name: name.value,
          profile_id: kind.value,
          external_id: externalID.value || null,
          ...noted.read(),
        });
        go(`#/thing/${thing.id}`);
      },
    );
  };
  const rekey = async () => {
    if (!await confirmNewKey(thing.name)) return;
    const key = [...crypto.getRandomValues(new Uint8Array(32))].map((byte) => byte.toString(16).padStart(2, "0"))
      .join("");
    await busy(
      actions,
      async () => showKey(await put(`/things/${thing.id}`, { name: thing.name, key }), me.broker),
    );
  };
  const why = whySection(thing);
  // Who asks why is at the question, once the page is there.
  if ("why" in asked) setTimeout(() => why.querySelector("input").focus());
  return [
    head({ title: thing.name, crumbs: ["Things", at("things")], actions }),
    h(
      "div",
      { class: "stack" },
      profile && profile.config.value.webhook !== true &&
        h(
          "div",
          { class: "note wait" },
          h(
            "span",
            { class: "grow" },
            `No webhook is called for its messages: webhook is off in its profile “${profile.name}”. `,
            h("a", { href: `${at("things")}?profile=${profile.id}` }, "To the profile"),
          ),
        ),
      h(
        "div",
        { class: "grid" },
        h(
          "section",
          { class: "card" },
          h("h2", {}, "About"),
          facts(
            ["Id", identity(thing.id)],
            ["Last seen", moment(thing.last_seen_at)],
            ...(thing.connected === undefined ? [] : [[
              thing.connected ? "Connected since" : "Disconnected since",
              moment(thing.connected ? thing.connected_at : thing.disconnected_at),
            ]]),
            ["External id", thing.external_id ?? "–"],
            [
              "Labels",
              badges(thing.labels),
            ],
            ["Profile", profile?.name ?? "–"],
            [
              "Messages",
              profile
                ? `${profile.config.value.webhook === true ? "go to webhooks" : "do not go to webhooks"}, ${
                  profile.config.value.write === true ? "are kept" : "are not kept"
                }`
                : "–",
            ],
          ),
          textOf(thing.metadata) !== "{}" &&
            h("details", {}, h("summary", {}, "Metadata"), h("pre", { tabindex: "0" }, pretty(textOf(thing.metadata)))),
        ),
        h(
          "section",
          { class: "card" },
          h("h2", {}, "Publish as this thing"),
          can("editor") && publishForm(thing),
          command(publishLine(thing.id, me.broker)),
        ),
      ),
      commandsSection(thing, signal, can),
      why,
      tail(thing, signal),
      kept(thing, profile, signal),
    ),
  ];
}

/** Publishes what is typed, byte for byte. */
function publishForm(thing) {
  const subtopic = input("", { placeholder: "room/1" });
  const payload = h("textarea", { spellcheck: "false", rows: 2, placeholder: '{"t": 21.7}' });
  const problem = h("p", { class: "fault", role: "alert" });
  return watched(h(
    "form",
    {
      class: "stack",
      novalidate: true,
      onsubmit: onSubmit(problem, async () => {
        const below = subtopic.value.split("/").map(encodeURIComponent).join("/");
        const { topic } = await post(
          `/things/${thing.id}/messages${below && `/${below}`}`,
          new Written(payload.value),
        );
        toast(`Published on ${topic}`);
      }),
    },
    field("Subtopic", "subtopic", subtopic, "None: on the thing's own topic."),
    field("Payload", "payload", payload),
    problem,
    h("div", {}, h("button", {}, "Publish")),
  ));
}

function tail(thing, signal) {
  const list = h("ol", { class: "tail", "aria-label": "Live messages", tabindex: "0" });
  const state = h("span", { class: "badge wait", role: "status" }, "Connecting");
  const none = h("p", { class: "loading" }, "What the thing publishes from now on is shown here.");
  let paused = false;
  let held = [];
  const pause = pauseButton((now) => {
    paused = now;
    if (paused) return;
    add(held);
    held = [];
  });
  const add = (messages) => {
    if (messages.length > 0) none.remove();
    for (const message of messages) {
      list.prepend(
        h(
          "li",
          {},
          timeOf(message.at, "time", { class: "muted small" }),
          h("code", { class: "break small" }, message.subtopic || "–"),
          h(
            "code",
            { class: "break" },
            message.payload.text ?? `base64: ${message.payload.base64}`,
            message.bytes > 16_384 ? ` … ${bytes(message.bytes)} in all` : "",
          ),
        ),
      );
    }
    while (list.children.length > mostShown) list.lastChild.remove();
  };
  follow(`/things/${thing.id}/live`, signal, ({ event, data }) => {
    if (event === "listening") [state.className, state.textContent] = ["badge good", "Listening"];
    if (event === "unavailable") [state.className, state.textContent] = ["badge bad", data.error];
    if (event !== "messages") return;
    if (paused) held = [...held, ...data.messages].slice(-mostShown);
    else add(data.messages);
    if (data.dropped > 0) toast(`${number(data.dropped)} messages came too fast to be shown`);
  });
  return h(
    "section",
    { class: "card flush" },
    h("div", { class: "row" }, h("h2", {}, "Live"), h("div", { class: "grow" }, state), pause),
    none,
    list,
  );
}

function kept(thing, profile, signal) {
  const columns = [{ label: "Received", class: "fit" }, { label: "Subtopic", class: "fit" }, { label: "Payload" }];
  const none = () =>
    empty(
      "No messages are kept",
      profile?.config.value.write === true
        ? "None has come in yet."
        : "The thing's profile has write off, so messages are forwarded and not kept.",
    );
  return listSection(
    "Kept messages",
    signal,
    (place, signal) => get(`/things/${thing.id}/messages${query({ ...place, limit: 25 })}`, signal),
    (page) =>
      page.total === 0 ? none() : table({
        label: "Kept messages",
        columns,
        rows: page.messages.map((message) => [
          timeOf(message.received_at, "dateTime"),
          h("code", {}, message.subtopic || "–"),
          h(
            "code",
            { class: "break", title: message.undecoded },
            message.decoded === undefined
              ? message.payload ?? `base64: ${message.payload_base64}`
              : textOf(message.decoded),
          ),
        ]),
      }),
  );
}
