// What fields may be, as the API describes itself: limits, choices and defaults stand nowhere else in these pages.

import { description } from "./api.js";

let schemas;

const read = async (signal) => (schemas ??= (await description(signal)).components.schemas);

/** The fields of a webhook. */
export const webhookFields = async (signal) => new Fields(await read(signal));

/** How many bytes a descriptor set may have. */
export const longestDescriptorSet = async (signal) => (await read(signal)).DescriptorSet.properties.size.maximum;

class Fields {
  constructor(schemas) {
    this.schemas = schemas;
    this.properties = schemas.WebhookDraft.properties;
  }

  resolved(schema) {
    if (schema?.$ref) return this.resolved(this.schemas[schema.$ref.split("/").at(-1)]);
    const forms = schema?.oneOf ?? schema?.anyOf;
    return forms ? this.resolved(forms.at(-1)) : schema;
  }

  /** The description of a field, such as `batch.max_items`. */
  of(name) {
    const [first, ...rest] = name.split(".");
    return rest.reduce(
      (schema, part) => this.resolved(schema?.properties?.[part]),
      this.resolved(this.properties[first]),
    ) ?? {};
  }

  /** What a box takes for it. */
  bounds(name) {
    const { minimum, maximum, maxLength } = this.of(name);
    return { min: minimum, max: maximum, maxlength: maxLength };
  }

  /** Its choices, with their labels; one that has none is called what it is. */
  choices(name, labels = {}) {
    return (this.of(name).enum ?? []).map((choice) => [choice, labels[choice] ?? choice]);
  }

  /** A webhook of which nothing has been said. */
  defaults() {
    return Object.fromEntries(
      Object.keys(this.properties).map((name) => {
        const { default: value, type } = this.of(name);
        return [name, value ?? (type === "array" ? [] : type === "string" ? "" : null)];
      }),
    );
  }
}
