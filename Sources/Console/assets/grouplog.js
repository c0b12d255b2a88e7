// The log of a whole group: what became of every delivery, and finding one.

import { get, query } from "./api.js";
import { deliveryView } from "./delivery.js";
import { h, replace } from "./dom.js";
import { debounced, field, input, timeInput } from "./fields.js";
import { clockTime } from "./format.js";
import { choices, refreshButton, turn } from "./lists.js";
import { columns, linkTo, logTable, statuses } from "./logtable.js";
import { picker, thingsOf, webhooksOf } from "./thingpicker.js";
import { attempt, empty, head, loading } from "./ui.js";

export function show({ group, signal, can, query: asked, setQuery }) {
  const state = {
    status: asked.status ?? "",
    webhook: asked.webhook ?? "",
    thing: asked.thing ?? "",
    text: asked.text ?? "",
    from: undefined,
    to: undefined,
    offset: 0,
    limit: 25,
  };
  const names = { webhook: webhooksOf(group.id), thing: thingsOf(group.id) };
  const webhookOf = ({ webhook_id: id }) => linkTo("webhook", id, id && names.webhook.label(id, signal));
  /** The webhooks whose receivers fail, as far as something of theirs waits on the page. */
  let failing = new Set();
  const list = h("div", {}, loading());

  const place = () => state.webhook ? `/webhooks/${state.webhook}/log` : `/groups/${group.id}/log`;
  const read = (more, signal) => {
    const { thing, text, from, to, limit } = state;
    return get(`${place()}${query({ thing, text, from, to, limit, ...more })}`, signal);
  };
  /** Whether what is new is at the beginning of what is shown. Of a text nobody but the server knows where it is. */
  const isNewest = () =>
    !state.text && state.from === undefined && state.to === undefined && state.offset === 0 &&
    state.cursor === undefined;

  const load = (changes = {}) => {
    turn(state, changes);
    const { status, webhook, thing, text, offset, cursor } = state;
    setQuery({ status, webhook, thing, text });
    return attempt(list, signal, async (signal) => {
      // Who has an id of a delivery wants that one, whenever it was.
      if (/^msg_\w+$/.test(text)) {
        log.live.at(undefined);
        return drawOne(await get(`/deliveries/${text}`, signal));
      }
      const page = await read({ status, offset, cursor }, signal);
      const mayExplain = isNewest() && page.log.some((entry) => entry.status === "WAITING");
      failing = mayExplain ? await failingNow(signal) : new Set();
      await log.show(page, signal);
      log.live.at(
        isNewest() ? `${place()}/live${query({ status: status || "ok,failed,waiting", thing })}` : undefined,
      );
    });
  };
  const failingNow = async (signal) => {
    const page = await get(`/groups/${group.id}/webhooks?health=failing&limit=200`, signal);
    return new Set(page.webhooks.map(({ id }) => id));
  };

  const drawOne = (delivery) =>
    replace(
      list,
      h("p", {}, "Delivered to ", webhookOf(delivery), "."),
      deliveryView(delivery),
    );

  const log = logTable({
    list,
    signal,
    columns: [
      columns.status,
      columns.date,
      columns.due,
      { label: "Webhook", class: "fit", show: webhookOf },
      columns.thing,
      columns.url,
      columns.answer,
      columns.latency,
      columns.attempt,
      columns.trigger,
    ],
    mayRetry: can("editor"),
    load,
    none: (page) =>
      empty(
        "Nothing here",
        page.next ? "Nothing so far; there is more to look through." : "Nothing that these filters leave.",
      ),
    folds: () => state.status === "",
    isNewest,
    isFailing: (id) => failing.has(id),
    failures: async (signal) => (await read({ status: "failed" }, signal)).log,
    what: "of the log",
  });

  const choice = choices(state, load);
  const text = (name, label, more, hint) => {
    const box = input(state[name], {
      ...more,
      oninput: debounced(() => load({ [name]: box.value.trim(), offset: 0 })),
    });
    return field(label, name, box, hint);
  };
  const search = (name, label) =>
    picker({
      label,
      name,
      among: names[name],
      chosen: state[name] ? [state[name]] : [],
      signal,
      onChange: ([id]) => load({ [name]: id ?? "", offset: 0 }),
    }).element;
  const time = (name, label) => {
    const look = debounced(() => load({ [name]: clockTime(box.value), offset: 0 }));
    const box = timeInput(undefined, { step: "0.001", oninput: look });
    return field(label, name, box);
  };
  load();
  return [
    head({ title: "Log", actions: [log.live.element, refreshButton(load)] }),
    h(
      "div",
      { class: "stack" },
      h(
        "section",
        { class: "card stack" },
        h(
          "div",
          { class: "fields" },
          text("text", "Search", { type: "search" }, "A trigger id, or part of a url, an error or a kept payload."),
          choice("status", "Status", statuses),
          search("webhook", "Webhook"),
          search("thing", "Thing"),
          time("from", "From"),
          time("to", "To"),
        ),
      ),
      h("section", { class: "card flush growing" }, list),
    ),
  ];
}
