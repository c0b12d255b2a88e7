// Many things at once, from a table as text.

import { postText, query } from "./api.js";
import { h, replace } from "./dom.js";
import { field, input, select } from "./fields.js";
import { number } from "./format.js";
import { table } from "./lists.js";
import { dialog, formDialog } from "./overlays.js";

const csvCell = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** The keys of things, to be kept by who made them: nobody sees them again. */
const keysOf = (things) =>
  [
    "id,external_id,name,key",
    ...things.map((thing) => [thing.id, thing.external_id ?? "", thing.name, thing.key].map(csvCell).join(",")),
  ].join("\r\n");

function showKeys(things) {
  const url = URL.createObjectURL(new Blob([keysOf(things)], { type: "text/csv" }));
  return dialog(`${number(things.length)} things made`, (close) =>
    h(
      "div",
      { class: "stack" },
      h("p", {}, "Their keys are their passwords at the broker, and are given now and never again."),
      h(
        "div",
        { class: "actions" },
        h("a", { class: "button", href: url, download: "keys.csv" }, "Download the keys"),
        h("button", { type: "button", class: "primary", onclick: () => close(true) }, "Done"),
      ),
    )).finally(() => URL.revokeObjectURL(url));
}

const faultTable = (rows) =>
  table({
    label: "Rows that cannot be taken",
    columns: [{ label: "Line", class: "fit" }, { label: "Field", class: "fit" }, { label: "Why" }],
    rows: rows.map(({ row, field: name, error }) => [String(row), h("code", {}, name), error]),
  });

/** Asks for a table, and makes its things; all or none. */
export async function importThings(group, profiles, done) {
  const text = h("textarea", {
    rows: 8,
    spellcheck: "false",
    placeholder: "external_id,name,labels,metadata.site\n0004A30B001C0530,Boiler 1,outdoor;floor=2,Berlin",
  });
  const file = input("", {
    type: "file",
    accept: ".csv,text/csv",
    onchange: async () => {
      if (file.files[0]) text.value = await file.files[0].text();
    },
  });
  const profile = select(profiles[0].id, profiles.map(({ id, name }) => [id, name]));
  const faults = h("div", { "aria-live": "polite" });
  const made = await formDialog(
    "Import things",
    [
      field("File", "file", file),
      field(
        "Table",
        "the body",
        text,
        "The first line has the names: external_id, name, profile, labels (with ;), metadata.…, key, id.",
      ),
      field("Profile", "profile", profile, "Of those that name none."),
      faults,
    ],
    "Import",
    async () => {
      replace(faults);
      try {
        return await postText(
          `/groups/${group.id}/things/bulk${query({ profile: profile.value })}`,
          text.value,
          "text/csv",
        );
      } catch (error) {
        if (error.rows) replace(faults, faultTable(error.rows));
        throw error;
      }
    },
  );
  if (!made) return;
  await done();
  await showKeys(made.things);
}
