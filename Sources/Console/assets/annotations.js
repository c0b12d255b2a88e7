// What owners note of things and profiles: labels and metadata.

import { h } from "./dom.js";
import { field, input } from "./fields.js";
import { pretty } from "./format.js";
import { textOf, typed } from "./rawjson.js";

/** Labels as they are typed, with commas between them. */
export const labelsOf = (text) => text.split(/[,;]/).map((label) => label.trim()).filter((label) => label !== "");

/** Labels as they are shown. */
export const badges = (labels) =>
  labels.length === 0 ? "–" : h("span", { class: "row" }, labels.map((label) => h("span", { class: "badge" }, label)));

const fault = (name, reason) => Object.assign(new Error(`${name} ${reason}`), { field: name });

/** The fields of a form, and what they come to: of metadata nothing if it was not touched, so that it keeps its text. */
export function annotations(item) {
  const labels = input((item?.labels ?? []).join(", "), { placeholder: "outdoor, site=Berlin" });
  const written = item ? pretty(textOf(item.metadata)) : "{}";
  const metadata = h("textarea", { value: written, spellcheck: "false" });
  return {
    fields: [
      field("Labels", "labels", labels, "With commas. Lists and webhooks choose by them."),
      field("Metadata", "metadata", metadata, "A JSON object of yours."),
    ],
    read: () => {
      const data = typed(metadata.value.trim() === "" ? "{}" : metadata.value);
      if (!data) throw fault("metadata", "must be a JSON object");
      return { labels: labelsOf(labels.value), ...(metadata.value === written ? {} : { metadata: data }) };
    },
  };
}
