// Making and changing a profile.

import { annotations } from "./annotations.js";
import { post, put } from "./api.js";
import { check, field, input, select } from "./fields.js";
import { formDialog } from "./overlays.js";
import { protobufFields } from "./protobuf.js";
import { Written } from "./rawjson.js";

/** - profile: the one that is changed; a new one is made where there is none. */
export function editProfile(group, profile, done) {
  const before = profile?.config ?? new Written('{"content_type":"application/json","webhook":true,"write":false}');
  const config = before.value;
  const name = input(profile?.name, { autofocus: true, required: true });
  const type = input(config.content_type ?? "application/json");
  // What has options for which there are no fields stays as it is unless another is chosen.
  const former = config.decode ?? "json";
  const known = former.format === "protobuf" ? former : undefined;
  const isPlain = typeof former === "string";
  const decode = select(isPlain ? former : known ? "protobuf" : "", [
    ...(isPlain || known ? [] : [["", `${former.format} (with options)`]]),
    ["json", "JSON, or as they are"],
    ["cbor", "CBOR"],
    ["msgpack", "MessagePack"],
    ["senml", "SenML (JSON or CBOR)"],
    ["sparkplug_b", "Sparkplug B"],
    ["text", "text"],
    ["csv", "CSV, with the names of its columns in the first row"],
    ["protobuf", "Protocol Buffers"],
  ]);
  const protobuf = protobufFields(profile?.id, known);
  const showFormat = () => protobuf.show(decode.value === "protobuf");
  decode.addEventListener("change", showFormat);
  showFormat();
  const failure = select(config.decode_failure ?? "deliver", [
    ["deliver", "are delivered as they are"],
    ["refuse", "are refused"],
  ]);
  const webhook = check("webhook", "config.webhook", config.webhook === true, "Messages go to the group's webhooks.");
  const write = check("write", "config.write", config.write === true, "Messages are kept and can be read.");
  const noted = annotations(profile);
  return formDialog(
    profile ? `Edit “${profile.name}”` : "New profile",
    [
      field("Name", "name", name),
      field("Content type", "config.content_type", type, "Of the messages, as receivers are told."),
      field("Payloads are", "config.decode", decode, "Templates and conditions read the JSON that is made of them."),
      protobuf.element,
      field("Those of which none can be made", "config.decode_failure", failure),
      webhook.element,
      write.element,
      ...noted.fields,
    ],
    profile ? "Save" : "Create profile",
    async () => {
      const read = decode.value === "protobuf" ? await protobuf.read() : decode.value || former;
      const draft = {
        name: name.value,
        config: before.changed({
          content_type: type.value,
          webhook: webhook.box.checked,
          write: write.box.checked,
          ...(read === undefined || read === former ? {} : { decode: read }),
          ...(failure.value !== (config.decode_failure ?? "deliver") ? { decode_failure: failure.value } : {}),
        }),
        ...noted.read(),
      };
      if (profile) await put(`/profiles/${profile.id}`, draft);
      else await post(`/groups/${group.id}/profiles`, [draft]);
      await done();
    },
  );
}
