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
  const list = h("div", {});
  const load = (place = {}) =>
    attempt(list, signal, async (signal) => {
      draw(
        await get(
          `/groups/${group.id}/members${query({ ...place, limit: 100, order: "name", dir: "asc" })}`,
          signal,
        ),
      );
    });
  const draw = (page) => {
    if (page.total === 0) {
      return replace(
        list,
        empty(
          "No members",
          "Only root sees this group. Add somebody, so that they can work with it.",
          can("admin") && addButton(),
        ),
      );
    }
    const ranked = [...roles].reverse().map(([role]) => role);
    const sorted = [...page.members].sort((a, b) => ranked.indexOf(a.role) - ranked.indexOf(b.role));
    const columns = [{ label: "User" }, { label: "Role", class: "fit" }, {
      label: "Actions",
      hides: true,
      class: "fit",
    }];
    replace(
      list,
      table({
        label: `Members of ${group.name}`,
        columns,
        rows: sorted.map((member) => {
          const mayChange = can("owner") || (can("admin") && member.role !== "owner");
          const role = mayChange
            ? select(
              member.role,
              roles.filter(([each]) => can("owner") || each !== "owner").map(([each]) => [each]),
              {
                "aria-label": `Role of ${member.member_id}`,
                onchange: () =>
                  busy(role, async () => {
                    try {
                      await put(`/groups/${group.id}/members`, [{
                        member_id: member.member_id,
                        role: role.value,
                      }]);
                      toast(`${member.member_id} is ${role.value} now`);
                    } finally {
                      await load();
                    }
                  }),
              },
            )
            : member.role;
          const isSelf = member.member_id === me.user_id;
          const out = (mayChange || isSelf) && h("button", {
            type: "button",
            class: "danger",
            "aria-label": `${isSelf ? "Leave" : "Remove"} ${isSelf ? group.name : member.member_id}`,
            onclick: async () => {
              if (
                !await confirm(
                  isSelf ? `Leave “${group.name}”?` : `Remove “${member.member_id}”?`,
                  isSelf ? "You will no longer see this group." : `They will no longer see “${group.name}”.`,
                  isSelf ? "Leave" : `Remove “${member.member_id}”`,
                )
              ) return;
              await busy(out, async () => {
                await remove(`/groups/${group.id}/members`, { member_ids: [member.member_id] });
                if (!isSelf || me.root) return load();
                await refreshGroups();
                return go("#/groups");
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
    const [user, role] = [
      input("", { autofocus: true, required: true }),
      select("viewer", roles.filter(([each]) => can("owner") || each !== "owner")),
    ];
    return formDialog(
      `Add to “${group.name}”`,
      [field("User", "member_id", user, "What their token says: its sub."), field("Role", "role", role)],
      "Add",
      async () => {
        await put(`/groups/${group.id}/members`, [{ member_id: user.value, role: role.value }]);
        await load();
      },
    );
  };
  const addButton = () => h("button", { type: "button", onclick: add }, icon("plus"), "Add a member");
  load();
  return h(
    "section",
    { class: "card flush" },
    h("div", { class: "row" }, h("h2", { class: "grow" }, `Members of ${group.name}`), can("admin") && addButton()),
    list,
  );
}
