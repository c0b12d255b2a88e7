/// What a fleet of a well-known system publishes, and the rules that take it.
package struct TopicPreset: Sendable {
    package let id: String
    package let name: String
    /// What is taken, what is not, and what has to be set at the devices.
    package let about: String
    /// Where its topics are described; they were read there.
    package let docs: String
    /// What root grants the group.
    package let grants: [String]
    package let rules: [TopicRule]

    /// - Throws: if a rule is none, which a test would find.
    private init(
        _ id: String, _ name: String, _ about: String, docs: String, grants: [String], rules: [TopicRule.Draft]
    ) throws(InvalidField) {
        self.id = id
        self.name = name
        self.about = about
        self.docs = docs
        self.grants = grants
        var read: [TopicRule] = []
        for rule in rules { read.append(try TopicRule(rule)) }
        self.rules = read
    }

    package static func all() throws(InvalidField) -> [TopicPreset] {
        try Self.homes() + Self.networks()
    }

    private static func homes() throws(InvalidField) -> [TopicPreset] {
        [
            try TopicPreset(
                "zigbee2mqtt", "Zigbee2MQTT",
                "States of devices and groups, and whether they are there. What is below zigbee2mqtt/bridge is not taken, "
                    + "and no friendly name with a slash.",
                docs: "https://www.zigbee2mqtt.io/guide/usage/mqtt_topics_and_messages.html",
                grants: ["zigbee2mqtt/#"],
                rules: [
                    .init(filter: "zigbee2mqtt/{thing}", subtopic: "state"),
                    .init(
                        filter: "zigbee2mqtt/{thing}/availability", subtopic: "availability",
                        presence: .init(path: "state", online: ["online"], offline: ["offline"])),
                ]),
            try TopicPreset(
                "tasmota", "Tasmota", "Telemetry, results of commands, and the last will (tele/<device>/LWT).",
                docs: "https://tasmota.github.io/docs/MQTT/", grants: ["tele/#", "stat/#"],
                rules: [
                    .init(
                        filter: "tele/{thing}/LWT", subtopic: "LWT",
                        presence: .init(online: ["Online"], offline: ["Offline"])),
                    .init(filter: "tele/{thing}/{subtopic:#}"), .init(filter: "stat/{thing}/{subtopic:#}"),
                ]),
            try TopicPreset(
                "shelly-gen1", "Shelly (first generation)", "All that a device says of itself.",
                docs: "https://shelly-api-docs.shelly.cloud/gen1/#mqtt-support", grants: ["shellies/#"],
                rules: [
                    .init(
                        filter: "shellies/{thing}/online", subtopic: "online",
                        presence: .init(online: ["true"], offline: ["false"])),
                    .init(filter: "shellies/{thing}/{subtopic}"),
                    .init(filter: "shellies/{thing}/{kind}/{rest:#}", subtopic: "{kind}/{rest}"),
                ]),
            try TopicPreset(
                "shelly", "Shelly (second generation and later)",
                "Notifications, states of components, and whether it is there. The device's topic prefix has to begin with shelly/, "
                    + "as in shelly/shellyplus1-a8032abe54dc.",
                docs: "https://shelly-api-docs.shelly.cloud/gen2/ComponentsAndServices/Mqtt", grants: ["shelly/#"],
                rules: [
                    .init(filter: "shelly/{thing}/events/rpc", subtopic: "events"),
                    .init(filter: "shelly/{thing}/status/{component}", subtopic: "status/{component}"),
                    .init(
                        filter: "shelly/{thing}/online", subtopic: "online",
                        presence: .init(online: ["true"], offline: ["false"])),
                ]),
            try TopicPreset(
                "homie", "Homie 5", "Attributes and properties of devices, each a text of its own.",
                docs: "https://homieiot.github.io/specification/", grants: ["homie/5/#"],
                rules: [
                    .init(
                        filter: "homie/5/{thing}/$state", subtopic: "$state",
                        presence: .init(online: ["ready"], offline: ["disconnected", "lost"])),
                    .init(filter: "homie/5/{thing}/{attribute}", subtopic: "{attribute}"),
                    .init(filter: "homie/5/{thing}/{node}/{property}", subtopic: "{node}/{property}"),
                ]),
            try TopicPreset(
                "homie-4", "Homie 3 and 4", "Attributes and properties of devices, each a text of its own.",
                docs: "https://homieiot.github.io/specification/spec-core-v4_0_0/", grants: ["homie/+/#"],
                rules: [
                    .init(
                        filter: "homie/{thing}/$state", subtopic: "$state",
                        presence: .init(online: ["ready", "alert"], offline: ["disconnected", "lost"])),
                    .init(filter: "homie/{thing}/{attribute}", subtopic: "{attribute}"),
                    .init(filter: "homie/{thing}/{node}/{property}", subtopic: "{node}/{property}"),
                ]),
        ]
    }

    private static func networks() throws(InvalidField) -> [TopicPreset] {
        [
            try TopicPreset(
                "chirpstack", "ChirpStack",
                "Events of devices; the integration's json has to be true.",
                docs: "https://www.chirpstack.io/docs/chirpstack/integrations/mqtt.html",
                grants: ["application/+/device/+/event/#"],
                rules: [.init(filter: "application/+/device/{thing}/event/{subtopic}")]),
            try TopicPreset(
                "the-things-stack", "The Things Stack",
                "Messages of devices, where a bridge of your broker brings them from The Things Stack's own MQTT server.",
                docs: "https://www.thethingsindustries.com/docs/integrations/mqtt/", grants: ["v3/+/devices/+/#"],
                rules: [.init(filter: "v3/+/devices/{thing}/{subtopic:#}")]),
            try TopicPreset(
                "sparkplug-b", "Sparkplug B",
                "Births, data and deaths of devices and of edge nodes, whose payloads are Sparkplug's protobuf; no commands.",
                docs:
                    "https://sparkplug.eclipse.org/specification/version/3.0/documents/sparkplug-specification-3.0.0.pdf",
                grants: ["spBv1.0/#"],
                rules: Self.sparkplug(["DDATA", "DBIRTH", "DDEATH"], "{node}/{thing}")
                    + Self.sparkplug(["NDATA", "NBIRTH", "NDEATH"], "{thing}")),
        ]
    }

    private static func sparkplug(_ kinds: [String], _ end: String) -> [TopicRule.Draft] {
        kinds.map { kind in
            let always = kind.hasSuffix("BIRTH") ? "online" : kind.hasSuffix("DEATH") ? "offline" : nil
            return TopicRule.Draft(
                filter: "spBv1.0/{group}/\(kind)/\(end)", subtopic: kind, presence: always.map { .init(always: $0) })
        }
    }
}
