// Who is signed in, and the group that is looked at.

const ranks = ["viewer", "editor", "admin", "owner"];

/** Read by all pages. `me` and `group` are as the API answers them. */
export const state = { me: undefined, group: undefined };

/** Whether the user has at least this role in the group at hand. */
export const can = (role) => state.group !== undefined && ranks.indexOf(state.group.role) >= ranks.indexOf(role);

/** The address of a place within the group at hand. */
export const at = (section) => (state.group ? `#/${state.group.id}/${section}` : "#/groups");

const groupKey = "hookline.group";

/** The group that was looked at before the page was loaded again. */
export const rememberedGroup = () => sessionStorage.getItem(groupKey);

/** Changes the group at hand; the frame shows it. */
export function setGroup(group) {
  state.group = group;
  if (group) sessionStorage.setItem(groupKey, group.id);
  else sessionStorage.removeItem(groupKey);
  dispatchEvent(new Event("group-changed"));
}
