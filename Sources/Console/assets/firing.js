// What makes a group's webhooks be called, and what is in the way of it.

import { all, get, post, query } from "./api.js";
import { h } from "./dom.js";
import { publishLine } from "./format.js";
import { Written } from "./rawjson.js";
import { at, can } from "./state.js";
import { busy, command, toast } from "./ui.js";

/** Of so many profiles is it looked whether a thing has them. */
const mostProfiles = 20;

/** The first thing of a group's list, as it is narrowed down or ordered; undefined if there is none. */
export const firstThing = async (group, signal, more = {}) =>
  (await get(`/groups/${group.id}/things${query({ ...more, limit: 1 })}`, signal)).things[0];

/**
 * A thing whose profile sends what it publishes to webhooks, as `thing`. If there is none, `silent` is a thing whose profile
 * does not, with that; and if there is no thing at all, neither.
 */
export async function whoFires(group, signal) {
  const [profiles, any] = await Promise.all([
    all(`/groups/${group.id}/profiles`, "profiles", signal),
    firstThing(group, signal),
  ]);
  if (!any) return {};
  const sending = profiles.filter(({ config }) => config.value.webhook === true);
  if (sending.some(({ id }) => id === any.profile_id)) return { thing: any };
  for (const { id } of sending.slice(0, mostProfiles)) {
    const thing = await firstThing(group, signal, { profile: id });
    if (thing) return { thing };
  }
  return { silent: { thing: any, profile: profiles.find(({ id }) => id === any.profile_id) } };
}

/**
 * How to publish so that webhooks are called, or why none would be. Nothing where there is no thing.
 *
 * @param {{thing?: any, silent?: any}} found
 */
export function howToFire({ thing, silent }, me) {
  if (silent) {
    const { thing: { name }, profile } = silent;
    return h(
      "p",
      { class: "note wait" },
      h(
        "span",
        {},
        `No webhook is called for what “${name}” publishes: webhook is off in its profile “${profile?.name ?? ""}”. `,
        h("a", { href: `${at("things")}?profile=${profile?.id ?? ""}` }, "To the profile"),
      ),
    );
  }
  if (!thing) return "";
  const publish = h("button", {
    type: "button",
    onclick: () =>
      busy(publish, async () => {
        const { topic } = await post(`/things/${thing.id}/messages`, new Written('{"t":21.70}'));
        toast(`Published on ${topic}`);
      }),
  }, `Publish it as “${thing.name}”`);
  return [command(publishLine(thing.id, me.broker)), can("editor") && publish];
}
