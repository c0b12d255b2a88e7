// How the payloads of a profile's things are read that are Protocol Buffers: a descriptor set, chosen as a file, and its messages.

import { get } from "./api.js";
import { h, replace, uniqueID } from "./dom.js";
import { debounced, field, input, tell } from "./fields.js";
import { bytes } from "./format.js";
import { longestDescriptorSet } from "./limits.js";

const at = (name) => `config.decode.${name}`;

/** What a file holds, in base64. */
const base64 = (file) =>
  new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).split(",")[1] ?? "");
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });

/** `up/# acme.Uplink`, a line each. */
const linesOf = (types) => types.map(({ subtopic, type }) => `${subtopic} ${type}`).join("\n");
const typesOf = (text) =>
  text.split("\n").map((line) => line.trim()).filter((line) => line !== "").map((line) => {
    const [, subtopic, type] = /^(\S.*?)(?:\s+(\S+))?$/.exec(line);
    return { subtopic, type };
  });

/**
 * The fields of a form. `show(isShown)` shows or hides them; `read()` brings what they say, or nothing where that is what is known.
 *
 * @param {string | undefined} profile the id of the one that has what is known
 * @param {{descriptors: {sha256: string, size: number}, type?: string, types?: {subtopic: string, type: string}[]} | undefined} known
 */
export function protobufFields(profile, known) {
  const most = h("span", {});
  const file = input("", {
    type: "file",
    accept: ".binpb,.desc,.pb,.bin,.protoset",
    // Once what was said of another file is taken back.
    onchange: debounced(() => look(), 0),
  });
  const offered = h("datalist", { id: uniqueID("types") });
  const type = input(known?.type, { placeholder: "acme.Uplink", list: offered.id });
  const written = linesOf(known?.types ?? []);
  const types = h("textarea", { rows: 2, value: written, spellcheck: "false", placeholder: "up/# acme.Uplink" });
  let limit;
  let names = [];
  const offer = () => replace(offered, file.files.length === 0 && names.map((name) => h("option", { value: name })));

  const begin = async () => {
    // Without it the server says what is too much.
    limit = await longestDescriptorSet().catch(() => undefined);
    if (limit !== undefined) most.textContent = `, at most ${bytes(limit)}`;
    if (!known) return;
    // They are offered, and any other can be typed.
    ({ types: names } = await get(`/profiles/${profile}/descriptors`).catch(() => ({ types: [] })));
    offer();
  };
  let begun;

  const checkSize = () => {
    const [chosen] = file.files;
    if (!chosen || limit === undefined || chosen.size <= limit) return;
    const reason = `has ${bytes(chosen.size)}, and at most ${bytes(limit)} are taken`;
    throw Object.assign(new Error(`${at("descriptors")} ${reason}`), { field: at("descriptors") });
  };

  const ofFile = field("Descriptor set", at("descriptors"), file, [
    "A file as protoc --include_imports --descriptor_set_out makes it",
    most,
    known ? `. The one that is there (${bytes(known.descriptors.size)}) stays unless another is chosen.` : ".",
  ]);
  const look = async () => {
    offer();
    await begun;
    try {
      checkSize();
    } catch (error) {
      tell(file.form, ofFile.querySelector(".fault"), error);
    }
  };
  const element = h(
    "div",
    { class: "stack", hidden: true },
    ofFile,
    field(
      "Message type",
      at("type"),
      type,
      known ? "In full. Those of the set that is there are offered." : "In full: the package and the message.",
    ),
    offered,
    field("By subtopic", at("types"), types, "A subtopic and its message type in a line; all others are as above."),
  );
  return {
    element,
    show(isShown) {
      element.hidden = !isShown;
      if (isShown) begun ??= begin();
    },
    read: async () => {
      await begun;
      checkSize();
      const [chosen] = file.files;
      if (known && !chosen && type.value === (known.type ?? "") && types.value === written) return undefined;
      const rows = types.value === written ? known?.types ?? [] : typesOf(types.value);
      return {
        format: "protobuf",
        descriptors: chosen ? await base64(chosen) : known?.descriptors,
        type: type.value.trim() || undefined,
        types: rows.length === 0 ? undefined : rows,
      };
    },
  };
}
