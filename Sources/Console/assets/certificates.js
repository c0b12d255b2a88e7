// Client certificates in forms, and how a group's requests are secured.

import { get, put } from "./api.js";
import { h, replace } from "./dom.js";
import { field, select } from "./fields.js";
import { formDialog } from "./overlays.js";
import { attempt, facts, moment, toast } from "./ui.js";

const area = (value, placeholder) => h("textarea", { value: value ?? "", spellcheck: "false", rows: 4, placeholder });

/** What a certificate says of itself. */
const told = (certificate) =>
  facts(
    ["Of", certificate.subject],
    ["Signed by", certificate.issuer],
    ["Ends", moment(certificate.expires_at)],
    ["SHA-256", h("code", { class: "break" }, certificate.fingerprint)],
  );

/** Fields for a certificate and its key, which is never shown. `known` is null where there is none. */
export function certificateFields(known) {
  const certificate = area(known?.certificate, "-----BEGIN CERTIFICATE-----");
  const key = area("", known ? "As it is" : "-----BEGIN PRIVATE KEY-----");
  return {
    elements: [
      field(
        "Client certificate",
        "client_certificate.certificate",
        certificate,
        "PEM: the certificate, and behind it those that have signed it. Empty: none.",
      ),
      known && told(known),
      field(
        "Its key",
        "client_certificate.private_key",
        key,
        "PEM without a passphrase. It is not shown again; empty: as it is.",
      ),
    ],
    read: () => ({
      client_certificate: certificate.value.trim() === "" ? null : {
        certificate: certificate.value,
        ...(key.value.trim() === "" ? {} : { private_key: key.value }),
      },
    }),
  };
}

/** The card of a group's page. */
export function groupSecurity(group, { signal, can }) {
  const content = h("div", { class: "stack tight" });
  const load = () =>
    attempt(content, signal, async (signal) => {
      draw(await get(`/groups/${group.id}/tls`, signal));
    });
  const draw = (tls) => {
    const [client, trusted] = [tls.client_certificate, tls.trusted];
    replace(
      content,
      h("h3", {}, "Client certificate"),
      client ? told(client) : h("p", { class: "muted" }, "None. Webhooks may have one of their own."),
      h("h3", {}, "Further authorities"),
      trusted.length === 0 && h("p", { class: "muted" }, "None: receivers are verified by the installation's."),
      trusted.map(told),
      h("p", {}, "Oldest TLS: ", tls.minimum ?? h("span", { class: "muted" }, "as the installation has it")),
      can("admin") && h("div", {}, h("button", { type: "button", onclick: () => change(tls) }, "Change")),
    );
  };
  const change = (tls) => {
    const client = certificateFields(tls.client_certificate);
    const authorities = area(tls.authorities, "-----BEGIN CERTIFICATE-----");
    const minimum = select(tls.minimum ?? "", [["", "As the installation has it"], ["1.2"], ["1.3"]]);
    return formDialog(
      `How requests of “${group.name}” are secured`,
      [
        ...client.elements.filter(Boolean),
        field(
          "Further authorities",
          "authorities",
          authorities,
          "PEM. This group trusts receivers whose certificates they have signed, besides those that all do.",
        ),
        field("Oldest TLS", "minimum", minimum),
      ],
      "Save",
      async () => {
        const changed = await put(`/groups/${group.id}/tls`, {
          ...client.read(),
          authorities: authorities.value.trim() === "" ? null : authorities.value,
          minimum: minimum.value || null,
        });
        toast("Saved");
        draw(changed);
      },
    );
  };
  load();
  return h("section", { class: "card stack" }, h("h2", {}, "How requests are secured"), content);
}
