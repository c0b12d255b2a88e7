// The things and profiles of a group.

import { annotations, badges, labelsOf } from "./annotations.js";
import { all, get, post, put, query, remove } from "./api.js";
import { h, icon, replace } from "./dom.js";
import { publishLine } from "./format.js";
import { debounced, field, input, select, toggle } from "./fields.js";
import { opensBy, pager, table, tableRow, turn } from "./lists.js";
import { confirmDeletion, formDialog, menu, showOnce } from "./overlays.js";
import { editProfile } from "./profileform.js";
import { importThings } from "./thingimport.js";
import { attempt, busy, empty, head, identity, moment, toast } from "./ui.js";

export async function show(context) {
  const { group, signal, can, at, go, query: asked } = context;
  let profiles = await all(`/groups/${group.id}/profiles`, "profiles", signal);
  const [thingList, profileList] = [h("div", {}), h("div", {})];
  const note = h("p", { class: "note wait", hidden: true, role: "status" });
  const next = h(
    "p",
    { class: "note", hidden: true, role: "status" },
    h(
      "span",
      {},
      "The first thing is there. ",
      h("a", { href: at("overview") }, "To the overview"),
      ", which says what comes next.",
    ),
  );
  /** By the ids of their profiles, whether webhooks are called. */
  const switches = new Map();
  const state = { offset: 0, order: "name", dir: "asc", name: "", label: "", external_id: "", profile: "" };
  // Where there are very many, names are found by how they begin, for which there is an index.
  let isLarge = false;
  const isChosen = () => ["name", "label", "external_id", "profile"].some((name) => state[name] !== "");

  const loadThings = (changes = {}) => {
    turn(state, changes);
    return attempt(thingList, signal, async (signal) => {
      const named = isLarge && state.name !== ""
        ? { name: undefined, name_begins: state.name, order: "name", dir: state.order === "name" ? state.dir : "asc" }
        : {};
      const page = await get(`/groups/${group.id}/things${query({ ...state, ...named, limit: 25 })}`, signal);
      if (!isChosen() && state.order !== "last_seen") {
        isLarge = page.total_is_capped === true;
        search.placeholder = isLarge ? "Search by how the name begins" : "Search by name";
      }
      drawThings(page);
    });
  };

  const reload = async () => {
    profiles = await all(`/groups/${group.id}/profiles`, "profiles", signal);
    drawProfiles();
    await loadThings();
  };

  const drawThings = (page) => {
    if (page.total === 0 && !isChosen() && state.order !== "last_seen") {
      return replace(
        thingList,
        empty(
          "No things yet",
          profiles.length === 0
            ? "A thing needs a profile first, which says what becomes of its messages."
            : "A thing is a device that publishes over MQTT.",
          can("editor") && profiles.length > 0 &&
            h("button", {
              type: "button",
              class: "primary",
              onclick: async () => {
                if (await newThing(context, profiles, loadThings)) next.hidden = false;
              },
            }, "Add the first thing"),
          can("admin") && profiles.length === 0 &&
            h("button", {
              type: "button",
              class: "primary",
              onclick: () => editProfile(group, undefined, reload),
            }, "Make a profile"),
        ),
      );
    }
    if (page.total === 0 && page.next === undefined) {
      return replace(
        thingList,
        state.order === "last_seen" ? sortedAgain() : "",
        empty(
          "None is like that",
          state.order === "last_seen" ? "None of these was heard of yet." : "No thing has what was asked for.",
        ),
      );
    }
    const columns = [
      { label: "Name", order: "name" },
      { label: "Last seen", order: "last_seen", class: "fit" },
      {
        label: "External id",
      },
      { label: "Labels" },
      { label: "Profile" },
      {
        label: "To webhooks",
        class: "fit",
      },
      {
        label: "Kept",
        class: "fit",
      },
      { label: "Id", class: "fit" },
    ];
    replace(
      thingList,
      table({
        label: "Things",
        columns,
        rows: page.things.map((thing) => {
          const profile = profiles.find(({ id }) => id === thing.profile_id);
          const flag = (isOn) => h("span", { class: `badge ${isOn ? "good" : ""}` }, isOn ? "yes" : "no");
          const cells = [
            h(
              "span",
              {},
              h("a", { class: "name", href: `#/thing/${thing.id}` }, thing.name),
              thing.connected === false ? h("span", { class: "muted" }, " (disconnected)") : "",
            ),
            moment(thing.last_seen_at),
            thing.external_id === undefined ? "–" : h("code", { class: "break" }, thing.external_id),
            badges(thing.labels),
            profile?.name ?? "–",
            flag(profile?.config.value.webhook === true),
            flag(profile?.config.value.write === true),
            identity(thing.id, `the id of ${thing.name}`),
          ];
          return tableRow(columns, cells, opensBy(() => go(`#/thing/${thing.id}`)));
        }),
        sort: state,
        onSort: (order, dir) => loadThings({ order, dir, offset: 0 }),
      }),
      state.order === "last_seen" &&
        h("p", { class: "hint" }, "Those that were never heard of are not among them."),
      pager(page, loadThings),
    );
  };

  const sortedAgain = () =>
    h(
      "button",
      { type: "button", onclick: () => loadThings({ order: "name", dir: "asc", offset: 0 }) },
      "Sort by name",
    );

  const drawSilent = () => {
    const silent = profiles.filter(({ config }) => config.value.webhook !== true).map(({ name }) => `“${name}”`);
    note.hidden = silent.length === 0;
    const shown = silent.slice(0, 5).join(", ") + (silent.length > 5 ? ` and ${silent.length - 5} more` : "");
    note.textContent = `No webhook is called for the messages of things with ${
      silent.length === 1 ? "the profile" : "the profiles"
    } ${shown}: webhook is off there.`;
  };

  const drawProfiles = () => {
    drawSilent();
    if (profiles.length === 0) {
      return replace(
        profileList,
        empty("No profiles yet", "A profile says what becomes of the messages of its things."),
      );
    }
    const columns = [{ label: "Name" }, { label: "Content type" }, { label: "Webhook", class: "fit" }, {
      label: "Write",
      class: "fit",
    }, { label: "Actions", hides: true, class: "fit" }];
    replace(
      profileList,
      table({
        label: "Profiles",
        columns: can("admin") ? columns : columns.slice(0, -1),
        rows: profiles.map((profile) => {
          const flag = (name, what) =>
            toggle(`${name} of ${profile.name}`, profile.config.value[name] === true, async (isOn) => {
              Object.assign(
                profile,
                await put(`/profiles/${profile.id}`, {
                  name: profile.name,
                  config: profile.config.changed({ [name]: isOn }),
                }),
              );
              toast(`${profile.name}: ${what[Number(isOn)]}`);
              drawSilent();
              await loadThings();
            }, can("admin"));
          const webhook = flag("webhook", ["messages are not sent to webhooks", "messages are sent to webhooks"]);
          switches.set(profile.id, webhook);
          const cells = [
            h("span", { class: "name" }, profile.name),
            h("code", {}, profile.config.value.content_type ?? "application/json"),
            webhook,
            flag("write", ["messages are not kept", "messages are kept"]),
          ];
          const actions = menu(`Actions for ${profile.name}`, [
            ["Edit", () => editProfile(group, profile, reload)],
            ["Delete", async () => {
              if (
                !await confirmDeletion(profile.name, "A profile that things have cannot be deleted.")
              ) return;
              await busy(actions, async () => {
                await remove(`/profiles/${profile.id}`);
                await reload();
              });
            }, "danger"],
          ]);
          return can("admin") ? [...cells, actions] : cells;
        }),
      }),
    );
  };

  const search = input("", {
    type: "search",
    placeholder: "Search by name",
    "aria-label": "Search things by name",
    oninput: debounced(() => loadThings({ name: search.value, offset: 0 })),
  });
  const externalID = input("", {
    type: "search",
    placeholder: "External id",
    "aria-label": "Things of this external id",
    oninput: debounced(() => loadThings({ external_id: externalID.value, offset: 0 })),
  });
  const label = input("", {
    type: "search",
    placeholder: "Labels",
    "aria-label": "Things that have these labels",
    oninput: debounced(() => loadThings({ label: labelsOf(label.value).join(","), offset: 0 })),
  });
  const profileChoice = select(
    "",
    [["", "All profiles"], ...profiles.map(({ id, name }) => [id, name])],
    {
      "aria-label": "Things of this profile",
      onchange: () => loadThings({ profile: profileChoice.value, offset: 0 }),
    },
  );
  drawProfiles();
  await loadThings();
  // Who is led to a profile is at its switch, once the page is there.
  if (switches.has(asked.profile)) {
    setTimeout(() => {
      switches.get(asked.profile).scrollIntoView({ block: "center" });
      switches.get(asked.profile).focus();
    });
  }
  return [
    head({
      title: "Things",
      actions: can("editor") && profiles.length > 0 && [
        h("button", { type: "button", onclick: () => importThings(group, profiles, loadThings) }, "Import"),
        h(
          "button",
          {
            type: "button",
            class: "primary",
            onclick: () => newThing(context, profiles, loadThings),
          },
          icon("plus"),
          "New thing",
        ),
      ],
    }),
    h(
      "div",
      { class: "stack" },
      next,
      note,
      h(
        "section",
        { class: "card flush" },
        h("div", { class: "row" }, h("div", { class: "grow fields" }, search, externalID, label, profileChoice)),
        thingList,
      ),
      h(
        "section",
        { class: "card flush" },
        h(
          "div",
          { class: "row" },
          h(
            "div",
            { class: "grow" },
            h("h2", {}, "Profiles"),
            h(
              "p",
              { class: "hint" },
              "webhook: messages go to the group's webhooks. write: messages are kept and can be read.",
            ),
          ),
          can("admin") &&
            h(
              "div",
              { class: "row" },
              profiles.length > 0 &&
                h("button", { type: "button", onclick: () => editUnknown(group, profiles) }, "Unknown things"),
              h(
                "button",
                { type: "button", onclick: () => editProfile(group, undefined, reload) },
                icon("plus"),
                "New profile",
              ),
            ),
        ),
        profileList,
      ),
    ),
  ];
}

/** Shows a key, this once, and what to type with it. */
export const showKey = (thing, broker) =>
  showOnce(
    `The key of “${thing.name}”`,
    "It is the thing's password at the broker, and is shown now and never again.",
    thing.key,
    "the key",
    publishLine(thing.id, broker, thing.key),
  );

async function newThing({ group, me }, profiles, done) {
  const name = input("", { autofocus: true, required: true });
  const profile = select(profiles[0].id, profiles.map(({ id, name: label }) => [id, label]));
  const [id, key] = [input("", { placeholder: "made for you" }), input("", { placeholder: "made for you" })];
  const externalID = input("");
  const noted = annotations();
  const thing = await formDialog(
    "New thing",
    [
      field("Name", "name", name),
      field("Profile", "profile_id", profile),
      field("External id", "external_id", externalID, "What you call it elsewhere; unique in the group."),
      ...noted.fields,
      field("Id", "id", id, "A UUID; it is the thing's user name at the broker."),
      field("Key", "key", key),
    ],
    "Create thing",
    async () => {
      const [made] = await post(`/groups/${group.id}/things`, [{
        name: name.value,
        profile_id: profile.value,
        id: id.value || null,
        key: key.value || null,
        external_id: externalID.value || null,
        ...noted.read(),
      }]);
      return made;
    },
  );
  if (!thing) return undefined;
  await done();
  await showKey(thing, me.broker);
  return thing;
}

/** What becomes of things that the group does not know. */
async function editUnknown({ id }, profiles) {
  const group = await get(`/groups/${id}`);
  const profile = select(group.new_thing_profile_id ?? "", [
    ["", "are refused"],
    ...profiles.map(({ id: each, name }) => [each, `are made with the profile ${name}`]),
  ], { autofocus: true });
  const perHour = input(group.new_things_per_hour, { type: "number", min: 1, max: 100_000 });
  return formDialog(
    "Unknown things",
    [
      field("Things that are not known", "new_thing_profile_id", profile, "When their first message comes in."),
      field("At most in an hour", "new_things_per_hour", perHour, "What is beyond is refused."),
    ],
    "Save",
    async () => {
      await put(`/groups/${id}`, {
        name: group.name,
        new_thing_profile_id: profile.value || null,
        new_things_per_hour: Number(perHour.value),
      });
      toast("Saved");
    },
  );
}
