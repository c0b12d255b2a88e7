import Domain
import Testing

@Suite("Presets of topics")
struct TopicPresetTests {
    /// Topics in the shapes that each system's documentation gives, with values of ours; nil where nothing is taken.
    private static let traffic: [(preset: String, topic: String, thing: String?, subtopic: String)] = [
        ("zigbee2mqtt", "zigbee2mqtt/kitchen", "kitchen", "state"),
        ("zigbee2mqtt", "zigbee2mqtt/kitchen/availability", "kitchen", "availability"),
        ("zigbee2mqtt", "zigbee2mqtt/bridge/state", nil, ""),
        ("zigbee2mqtt", "zigbee2mqtt/kitchen/set", nil, ""),
        ("tasmota", "tele/plug-7/SENSOR", "plug-7", "SENSOR"), ("tasmota", "tele/plug-7/LWT", "plug-7", "LWT"),
        ("tasmota", "stat/plug-7/RESULT", "plug-7", "RESULT"), ("tasmota", "cmnd/plug-7/POWER", nil, ""),
        ("shelly-gen1", "shellies/shellyplug-s-7A1B2C/relay/0/power", "shellyplug-s-7A1B2C", "relay/0/power"),
        ("shelly-gen1", "shellies/shellyht-7A1B2C/online", "shellyht-7A1B2C", "online"),
        ("shelly-gen1", "shellies/announce", nil, ""),
        ("shelly", "shelly/shellyplus1-a8032abe54dc/events/rpc", "shellyplus1-a8032abe54dc", "events"),
        ("shelly", "shelly/shellyplus1-a8032abe54dc/status/switch:0", "shellyplus1-a8032abe54dc", "status/switch:0"),
        ("shelly", "shelly/shellyplus1-a8032abe54dc/online", "shellyplus1-a8032abe54dc", "online"),
        ("shelly", "shelly/shellyplus1-a8032abe54dc/rpc", nil, ""),
        ("homie", "homie/5/boiler/$state", "boiler", "$state"),
        ("homie", "homie/5/boiler/heater/temperature", "boiler", "heater/temperature"),
        ("homie", "homie/5/boiler/heater/temperature/set", nil, ""),
        ("homie-4", "homie/kettle/$name", "kettle", "$name"),
        ("homie-4", "homie/kettle/heater/temperature", "kettle", "heater/temperature"),
        (
            "chirpstack", "application/5f0e5a1c-8c4b-4b3e-9d0a-2f6f6a1b7c11/device/0004a30b001c0530/event/up",
            "0004a30b001c0530", "up"
        ),
        ("chirpstack", "application/1/device/0004a30b001c0530/command/down", nil, ""),
        ("the-things-stack", "v3/meadow@acme/devices/probe-1/up", "probe-1", "up"),
        ("the-things-stack", "v3/meadow@acme/devices/probe-1/down/queued", "probe-1", "down/queued"),
        ("sparkplug-b", "spBv1.0/plant/DDATA/line-3/press", "press", "DDATA"),
        ("sparkplug-b", "spBv1.0/plant/NBIRTH/line-3", "line-3", "NBIRTH"),
        ("sparkplug-b", "spBv1.0/plant/DCMD/line-3/press", nil, ""), ("sparkplug-b", "spBv1.0/STATE/scada", nil, ""),
    ]

    @Test("take what their systems publish, and are what is suggested for it")
    func taken() throws {
        let presets = try TopicPreset.all()
        #expect(
            Set(presets.map(\.id)) == Set(Self.traffic.map(\.preset)) && Set(presets.map(\.id)).count == presets.count)
        for (id, topic, thing, subtopic) in Self.traffic {
            let preset = try #require(presets.first { $0.id == id })
            let taking = preset.rules.first { $0.pattern.filter.matches(topic) }
            let part = try taking.map { rule in rule.take(try #require(TopicLevels(topic)), Array("{}".utf8)) }?.parts
                .first
            #expect(part?.thing == thing, "\(topic)")
            #expect((part?.subtopic ?? "") == subtopic, "\(topic)")
            guard thing != nil else { continue }
            let suggestion = try #require(TopicSuggestions([topic], presets: presets)[topic], "\(topic)")
            #expect(suggestion.preset == id && suggestion.rule == taking?.draft, "\(topic)")
        }
    }

    @Test(
        "tell whether things are there, where their systems say it",
        arguments: [
            ("zigbee2mqtt", "zigbee2mqtt/kitchen/availability", #"{"state":"online"}"#, true),
            ("zigbee2mqtt", "zigbee2mqtt/kitchen/availability", "offline", false),
            ("tasmota", "tele/plug-7/LWT", "Online", true), ("tasmota", "tele/plug-7/LWT", "Offline", false),
            ("tasmota", "tele/plug-7/SENSOR", "Offline", nil),
            ("shelly-gen1", "shellies/shellyht-7A1B2C/online", "false", false),
            ("shelly", "shelly/shellyplus1-a8032abe54dc/online", "true", true),
            ("homie", "homie/5/boiler/$state", "lost", false), ("homie", "homie/5/boiler/$state", "sleeping", nil),
            ("homie-4", "homie/kettle/$state", "alert", true),
            ("sparkplug-b", "spBv1.0/plant/DBIRTH/line-3/press", "\u{8}", true),
            ("sparkplug-b", "spBv1.0/plant/NDEATH/line-3", "", false),
            ("sparkplug-b", "spBv1.0/plant/NDATA/line-3", "", nil),
        ] as [(String, String, String, Bool?)])
    func presence(id: String, topic: String, payload: String, isConnected: Bool?) throws {
        let preset = try #require(try TopicPreset.all().first { $0.id == id })
        let rule = try #require(preset.rules.first { $0.pattern.filter.matches(topic) })
        let part = rule.take(try #require(TopicLevels(topic)), Array(payload.utf8)).parts.first
        #expect(part?.isConnected == isConnected && part?.isDelivered == true)
    }

    @Test("grant what their rules need, and say where the topics are described")
    func granted() throws {
        for preset in try TopicPreset.all() {
            let grants = preset.grants.compactMap { TopicFilter($0) }
            #expect(grants.count == preset.grants.count && preset.docs.hasPrefix("https://"), "\(preset.id)")
            for rule in preset.rules {
                #expect(grants.contains { $0.covers(rule.pattern.filter) }, "\(rule.pattern.text)")
            }
        }
    }
}

@Suite("What is seen on a broker")
struct TopicSurveyTests {
    @Test(
        "is taken by a rule that names what tells things apart",
        arguments: [
            (["farm/probe-1"], "farm/probe-1", "farm/{thing}"),
            (["farm/probe-1/air", "farm/probe-1/soil"], "farm/probe-1/air", "farm/{thing}/{subtopic:#}"),
            (
                ["site/house/kitchen/t", "site/house/hall/t", "site/house/hall/h"], "site/house/hall/t",
                "site/house/{thing}/{subtopic:#}"
            ),
            (["acme/v1/telemetry/0004a30b001c0530"], "acme/v1/telemetry/0004a30b001c0530", "acme/v1/telemetry/{thing}"),
            (["alone"], "alone", nil), (["things/a/messages"], "things/a/messages", nil),
            (["a{b}/c/d"], "a{b}/c/d", nil), (["$SYS/uptime"], "$SYS/uptime", nil),
            ([String(repeating: "a/", count: 40)], String(repeating: "a/", count: 40), "a/{thing}/{subtopic:#}"),
        ] as [([String], String, String?)])
    func suggested(topics: [String], topic: String, filter: String?) throws {
        let suggestion = TopicSuggestions(topics, presets: try TopicPreset.all())[topic]
        #expect(suggestion?.rule.filter == filter)
        guard let suggestion else { return }
        let rule = try TopicRule(suggestion.rule)
        #expect(rule.pattern.filter.matches(topic))
        #expect(suggestion.grants.compactMap { TopicFilter($0) }.contains { $0.covers(rule.pattern.filter) })
    }

    @Test("is so many topics, and of each the beginning of the newest payload")
    func bounded() throws {
        var survey = TopicSurvey()
        for number in 0..<1_200 { survey.add("a/\(number)", [1], isRetained: false) }
        survey.add("a/7", Array(repeating: 2, count: 5_000), isRetained: true)
        survey.add(String(repeating: "b", count: 513), [], isRetained: false)
        #expect(survey.messages == 1_202 && survey.seen.count == 1_000 && survey.unseen == 201)
        let seven = try #require(survey.seen.first { $0.topic == "a/7" })
        #expect(seven.count == 2 && seven.bytes == 5_001 && seven.isRetained)
        #expect(seven.sample == Array(repeating: 2, count: 1_024) && seven.sampleBytes == 5_000)
    }
}
