// Groups, and who may do what in them.

import { groupSecurity } from "./certificates.js";
import { base, get, put, query, remove } from "./api.js";
import { newGroup } from "./groups.js";
import { h, icon, replace } from "./dom.js";
import { debounced, field, input, select } from "./fields.js";
import { pager, table, turn } from "./lists.js";
import { confirm, confirmDeletion, formDialog, menu } from "./overlays.js";
import { topicRules } from "./topicrules.js";
import { attempt, busy, command, copyButton, empty, head, toast } from "./ui.js";

const roles = [["viewer", "Viewer: reads"], ["editor", "Editor: changes webhooks, things and sources"], [
  "admin",
  "Admin: also members and profiles",
], ["owner", "Owner: also deletes the group"]];

export async function show(context) {
  const { group, signal, can, me, go, refreshGroups } = context;
  const groupList = h("div", {});
  const state = { name: "", offset: 0 };
  const loadGroups = (changes = {}) => {
    turn(state, changes);
    return attempt(groupList, signal, async (signal) => {
      drawGroups(await get(`/groups${query({ ...state, limit: 25, order: "name", dir: "asc" })}`, signal));
    });
  };
  const create = () => newGroup((made) => go(`#/${made.id}/members`));
  const drawGroups = (page) => {
    if (page.total === 0 && state.name === "") {
      return replace(
        groupList,
        empty(
          "You are in no group yet",
          "Make one, or have somebody add you to theirs.",
          h("button", { type: "button", class: "primary", onclick: create }, "Make a group"),
          h("p", { class: "muted" }, "Or from a terminal:"),
          command(
            `curl -X POST ${location.origin}${base}groups -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '[{"name":"My group"}]'`,
          ),
        ),
      );
    }
    const columns = [{ label: "Name" }, { label: "Your role", class: "fit" }, { label: "Id", class: "fit" }, {
      label: "Actions",
      hides: true,
      class: "fit",
    }];
    replace(
      groupList,
      table({
        label: "Groups",
        columns,
        rows: page.groups.map((each) => {
          const isAdmin = ["admin", "owner"].includes(each.role);
          const actions = isAdmin
            ? menu(`Actions for ${each.name}`, [
              ["Rename", () => rename(each)],
              each.role === "owner" && ["Delete", () => erase(each, actions), "danger"],
            ])
            : "";
          return [
            h(
              "span",
              {},
              h("a", {
                class: "name",
                href: `#/${each.id}/members`,
                "aria-current": each.id === group?.id ? "true" : undefined,
              }, each.name),
              each.id === group?.id ? h("span", { class: "muted small" }, " (at hand)") : "",
            ),
            each.role,
            h(
              "span",
              { class: "row tight" },
              h("code", {}, each.id.slice(0, 8), "…"),
              copyButton(each.id, `the id of ${each.name}`),
            ),
            actions,
          ];
        }),
      }),
      pager(page, loadGroups, "of groups"),
    );
  };
  const rename = (each) => {
    const name = input(each.name, { autofocus: true, required: true });
    return formDialog(`Rename “${each.name}”`, [field("Name", "name", name)], "Save", async () => {
      await put(`/groups/${each.id}`, { name: name.value });
      await refreshGroups(group?.id);
      await loadGroups();
    });
  };
  const erase = async (each, button) => {
    if (
      !await confirmDeletion(
        each.name,
        "Its things, profiles, webhooks, sources and members go with it, and what is waiting. This cannot be undone.",
      )
    ) return;
    await busy(button, async () => {
      await remove(`/groups/${each.id}`);
      toast(`“${each.name}” deleted`);
      await refreshGroups(each.id === group?.id ? undefined : group?.id);
      go("#/groups");
    });
  };
  const search = input("", {
    type: "search",
    placeholder: "Search groups by name",
    "aria-label": "Search groups by name",
    oninput: debounced(() => loadGroups({ name: search.value, offset: 0 })),
  });
  await loadGroups();
  return [
    head({
      title: "Groups and members",
      actions: h("button", { type: "button", class: "primary", onclick: create }, icon("plus"), "New group"),
    }),
    h(
      "div",
      { class: "stack" },
      group && members(group, { signal, can, me, refreshGroups, go }),
      group && groupSecurity(group, { signal, can }),
      group && topicRules(group, { signal, can, me, refreshGroups }),
      h(
        "section",
        { class: "card flush" },
        h("div", { class: "row" }, h("h2", {}, "Groups"), h("div", { class: "grow" }, search)),
        groupList,
      ),
    ),
  ];
}

function members(group, { signal, can, me, refreshGroups, go }) {
  return memberSection({
    path: `/groups/${group.id}/members`,
    title: `Members of ${group.name}`,
    name: group.name,
    called: `“${group.name}”`,
    kind: "group",
    ranks: roles,
    given: roles.filter(([each]) => can("owner") || each !== "owner"),
    nobody: "Only root sees this group. Add somebody, so that they can work with it.",
    mayAdd: can("admin"),
    mayChange: (member) => can("owner") || (can("admin") && member.role !== "owner"),
    left: async () => {
      await refreshGroups();
      go("#/groups");
    },
    me,
    signal,
  });
}

/**
 * Who is what in a group or an organization: those who may add others, change what they are and remove them, and everybody leaves.
 *
 * - path: where they are kept; ranks: all roles, the least first; given: those that may be given, with what is said of each.
 * - name, called, kind: how that is named which they are members of: in a label, in a sentence, and as what it is.
 * - left: done when one has left who is not root.
 */
export function memberSection(
  { path, title, name, called, kind, ranks, given, nobody, mayAdd, mayChange, left, me, signal },
) {
  const list = h("div", {});
  const load = (place = {}) =>
    attempt(list, signal, async (signal) => {
      draw(await get(`${path}${query({ ...place, limit: 100, order: "name", dir: "asc" })}`, signal));
    });
  const draw = (page) => {
    if (page.total === 0) {
      return replace(list, empty("No members", nobody, mayAdd && addButton()));
    }
    const ranked = [...ranks].reverse().map(([role]) => role);
    const sorted = [...page.members].sort((a, b) => ranked.indexOf(a.role) - ranked.indexOf(b.role));
    const columns = [{ label: "User" }, { label: "Role", class: "fit" }, {
      label: "Actions",
      hides: true,
      class: "fit",
    }];
    replace(
      list,
      table({
        label: title,
        columns,
        rows: sorted.map((member) => {
          const isOpen = mayChange(member);
          const role = isOpen
            ? select(
              member.role,
              given.map(([each]) => [each]),
              {
                "aria-label": `Role of ${member.member_id}`,
                onchange: () =>
                  busy(role, async () => {
                    try {
                      await put(path, [{ member_id: member.member_id, role: role.value }]);
                      toast(`${member.member_id} is ${role.value} now`);
                    } finally {
                      await load();
                    }
                  }),
              },
            )
            : member.role;
          const isSelf = member.member_id === me.user_id;
          const out = (isOpen || isSelf) && h("button", {
            type: "button",
            class: "danger",
            "aria-label": `${isSelf ? "Leave" : "Remove"} ${isSelf ? name : member.member_id}`,
            onclick: async () => {
              if (
                !await confirm(
                  isSelf ? `Leave ${called}?` : `Remove “${member.member_id}”?`,
                  isSelf ? `You will no longer see this ${kind}.` : `They will no longer see ${called}.`,
                  isSelf ? "Leave" : `Remove “${member.member_id}”`,
                )
              ) return;
              await busy(out, async () => {
                await remove(path, { member_ids: [member.member_id] });
                if (!isSelf || me.root) return load();
                return left();
              });
            },
          }, isSelf ? "Leave" : "Remove");
          return [
            h(
              "span",
              { class: "name" },
              member.member_id,
              isSelf ? h("span", { class: "muted" }, " (you)") : "",
            ),
            role,
            out || "",
          ];
        }),
      }),
      pager(page, load, "of members"),
    );
  };
  const add = () => {
    const [user, role] = [input("", { autofocus: true, required: true }), select("viewer", given)];
    return formDialog(
      `Add to ${called}`,
      [field("User", "member_id", user, "What their token says: its sub."), field("Role", "role", role)],
      "Add",
      async () => {
        await put(path, [{ member_id: user.value, role: role.value }]);
        await load();
      },
    );
  };
  const addButton = () => h("button", { type: "button", onclick: add }, icon("plus"), "Add a member");
  load();
  return h(
    "section",
    { class: "card flush" },
    h("div", { class: "row" }, h("h2", { class: "grow" }, title), mayAdd && addButton()),
    list,
  );
}
