// The keys that programs call the API with: a group's, and one's own.

import { base, get, post, query, remove } from "./api.js";
import { h, icon, replace } from "./dom.js";
import { check, field, input, select } from "./fields.js";
import { pager, table } from "./lists.js";
import { confirm, formDialog, showOnce } from "./overlays.js";
import { attempt, busy, empty, head, moment, timeOf, toast } from "./ui.js";

const roles = [["viewer", "Viewer: reads"], ["editor", "Editor: changes webhooks, things and sources"], [
  "admin",
  "Admin: also members and profiles",
], ["owner", "Owner: also deletes the group"]];

const lifetimes = [["7", "A week"], ["30", "30 days"], ["90", "90 days"], ["366", "A year"]];

const statuses = {
  ACTIVE: "Active",
  EXPIRED: "Expired",
  REVOKED: "Revoked",
  MEMBERSHIP_ENDED: "Membership ended",
  ENDED: "Ended",
  UNREADABLE: "Unreadable",
};

export function show(context) {
  const { group, me, can } = context;
  // Keys are made and revoked by users alone, whoever is signed in here.
  const isUser = !me.key;
  const ofGroup = section(context, {
    title: `Keys of ${group.name}`,
    hint: "For programs that work in this group, and see no other.",
    path: `/groups/${group.id}/keys`,
    mayChange: isUser && can("admin"),
    choices: roles.filter(([role]) => can(role)),
    mayOutlive: true,
  });
  const own = isUser && section(context, {
    title: "Your own keys",
    hint: "They do in every group what you may, or less.",
    path: "/me/keys",
    mayChange: true,
    choices: [...roles].reverse(),
    mayOutlive: false,
  });
  return [head({ title: "API keys" }), h("div", { class: "stack" }, ofGroup, own)];
}

/** A list of keys. `mayOutlive` is whether they can go on without who made them. */
function section({ signal }, { title, hint, path, mayChange, choices, mayOutlive }) {
  const list = h("div", {});
  const load = (place = {}) =>
    attempt(list, signal, async (signal) => {
      draw(await get(`${path}${query({ ...place, limit: 25, order: "created_at", dir: "desc" })}`, signal));
    });
  const make = async () => {
    const made = await newKey(title, path, choices, mayOutlive);
    if (!made) return;
    load();
    await showOnce(
      `The key “${made.name}”`,
      "It is shown now and never again. Whoever has it may do what it may.",
      made.key,
      "the key",
      `curl ${location.origin}${base}me -H "Authorization: Bearer ${made.key}"`,
    );
  };
  const makeButton = () =>
    h(
      "button",
      { type: "button", "aria-label": `New key in ${title}`, onclick: make },
      icon("plus"),
      "New key",
    );
  const draw = (page) => {
    if (page.total === 0) {
      return replace(list, empty("No keys yet", "A program sends its key as a bearer token, in place of a user's."));
    }
    const columns = [
      { label: "Name" },
      { label: "Role", class: "fit" },
      { label: "Status", class: "fit" },
      {
        label: "Last used",
        class: "fit",
      },
      { label: "Expires", class: "fit" },
      { label: "Made by" },
      { label: "Actions", hides: true, class: "fit" },
    ];
    replace(
      list,
      table({
        label: title,
        columns: mayChange ? columns : columns.slice(0, -1),
        rows: page.keys.map((key) => {
          const cells = [
            h("span", { class: "name" }, key.name),
            key.role,
            h("span", { class: `badge ${key.status === "ACTIVE" ? "good" : ""}` }, statuses[key.status] ?? key.status),
            moment(key.last_used_at),
            timeOf(key.expires_at, "date"),
            h(
              "span",
              { class: "break" },
              key.created_by,
              key.ends_with_creator && h("span", { class: "muted small" }, " (ends with their membership)"),
            ),
          ];
          return mayChange ? [...cells, key.status === "ACTIVE" ? revokeButton(key) : ""] : cells;
        }),
      }),
      pager(page, load, `of ${title}`),
    );
  };
  const revokeButton = (key) => {
    const button = h("button", {
      type: "button",
      class: "danger",
      "aria-label": `Revoke ${key.name}`,
      onclick: async () => {
        if (
          !await confirm(`Revoke “${key.name}”?`, "Whatever calls with it is refused at once.", `Revoke “${key.name}”`)
        ) return;
        await busy(button, async () => {
          await remove(path, { key_ids: [key.id] });
          toast(`“${key.name}” is revoked`);
          await load();
        });
      },
    }, "Revoke");
    return button;
  };
  load();
  return h(
    "section",
    { class: "card flush" },
    h(
      "div",
      { class: "row" },
      h("div", { class: "grow" }, h("h2", {}, title), h("p", { class: "hint" }, hint)),
      mayChange && makeButton(),
    ),
    list,
  );
}

function newKey(title, path, choices, mayOutlive) {
  const name = input("", { autofocus: true, required: true });
  const role = select(choices[0][0], choices);
  const lifetime = select("90", lifetimes);
  const ends = check(
    "Ends with my membership",
    "ends_with_creator",
    true,
    "And does no more than I may. Without it the key goes on when I have left.",
  );
  const draft = () => ({
    name: name.value,
    role: role.value,
    expires_at: new Date(Date.now() + Number(lifetime.value) * 86_400_000 - 60_000).toISOString(),
    ...(mayOutlive ? { ends_with_creator: ends.box.checked } : {}),
  });
  return formDialog(
    `New key in ${title}`,
    [
      field("Name", "name", name, "What calls with it."),
      field("Role", "role", role, "The most that it may do."),
      field("Good for", "expires_at", lifetime),
      mayOutlive && ends.element,
    ],
    "Make the key",
    async () => (await post(path, [draft()]))[0],
  );
}
