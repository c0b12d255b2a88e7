// The groups of the user: choosing one, making one.

import * as api from "./api.js";
import { h, icon, replace } from "./dom.js";
import { debounced, field, input } from "./fields.js";
import { formDialog, popup } from "./overlays.js";
import { setGroup, state } from "./state.js";

/** Reads again which groups there are, after one was made, renamed or removed, and takes this one, or else the first. */
export async function refreshGroups(id) {
  const list = await api.get("/groups?limit=1&order=name&dir=asc");
  state.me = await api.get("/me");
  const wanted = id ?? list.groups[0]?.id;
  setGroup(wanted && await api.get(`/groups/${wanted}`));
}

/** Asks for a name and makes a group of it. */
export function newGroup(done) {
  const name = input("", { autofocus: true, required: true });
  const fields = [field("Name", "name", name, "A group has its things, profiles, webhooks and members.")];
  return formDialog("New group", fields, "Create group", async () => {
    const [group] = await api.post("/groups", [{ name: name.value }]);
    await refreshGroups(group.id);
    done(group);
  });
}

/** The button that shows the group at hand, and opens a list of all. */
export function groupPicker(onChoice) {
  let close;
  const open = () => {
    const list = h("ul", {});
    const search = input("", { placeholder: "Search groups", "aria-label": "Search groups", type: "search" });
    const choice = (group) =>
      h(
        "li",
        {},
        h(
          "button",
          {
            type: "button",
            onclick: () => {
              close(false);
              onChoice(group);
            },
          },
          group.name,
          h("span", { class: "hint" }, group.role),
        ),
      );
    const fill = async () => {
      const page = await api.get(
        `/groups${api.query({ name: search.value, limit: 50, order: "name", dir: "asc" })}`,
      );
      const none = page.total === 0 && h("li", { class: "hint" }, "No group has that in its name.");
      replace(list, page.groups.map(choice), none);
    };
    search.addEventListener("input", debounced(() => fill().catch(() => {})));
    const content = h("div", { class: "popup picker", role: "dialog", "aria-label": "Groups" }, search, list);
    close = popup(button, content, () => {
      close = undefined;
    });
    search.focus();
    fill().catch(() => {});
  };
  const button = h(
    "button",
    {
      type: "button",
      class: "grow",
      "aria-haspopup": "dialog",
      "aria-expanded": "false",
      "aria-label": `Group ${state.group?.name ?? ""}, change`,
      onclick: () => (close ? close() : open()),
    },
    h("span", { class: "grow break" }, state.group?.name ?? "No group"),
    icon("fold"),
  );
  return button;
}
