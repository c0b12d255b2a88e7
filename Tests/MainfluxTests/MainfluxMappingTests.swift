import Domain
import Mainflux
import Registry
import Testing

@Suite("What things of Mainflux become")
struct MainfluxMappingTests {
    private static let id = EntityID("0a1b2c3d-0000-4000-8000-000000000001")!

    @Test(
        "names are kept if they can be, and marked with the id if not",
        arguments: [
            ("Boiler", "Boiler"), ("", "imported 0a1b2c3d"), ("\u{7}", "imported 0a1b2c3d"),
            ("two\nlines", "two lines… 0a1b2c3d"), ("turned\u{202E}round", "turned round… 0a1b2c3d"),
            ("   ", "imported 0a1b2c3d"),
            (String(repeating: "é", count: 254), String(repeating: "é", count: 254)),
            (String(repeating: "é", count: 255), String(repeating: "é", count: 240) + "… 0a1b2c3d"),
        ])
    func names(name: String, expected: String) throws {
        let mapped = MainfluxMapping.name(name, of: Self.id)
        #expect(mapped == expected)
        #expect(try Name.checked(mapped) == mapped)
    }

    struct Flags: Sendable, CustomTestStringConvertible {
        let era: String
        var config = true
        var writeEnabled: String?
        var write: String?
        var webhookEnabled: String?
        var webhook: String?
        var webhookID: String?
        let expected: (write: Bool, webhook: Bool)

        var testDescription: String { self.era }
    }

    @Test(
        "flags are read by all the names they have had",
        arguments: [
            Flags(era: "v0.42", writeEnabled: "true", webhookEnabled: "false", expected: (true, false)),
            Flags(era: "v0.42, the other way", writeEnabled: "false", webhookEnabled: "true", expected: (false, true)),
            Flags(era: "v0.28: no word of webhooks", write: "false", expected: (false, true)),
            Flags(era: "v0.26", write: "true", webhook: "true", expected: (true, true)),
            Flags(era: "v0.26, off", write: "true", webhook: "false", expected: (true, false)),
            Flags(era: "v0.20 with a webhook", write: "true", webhookID: "x", expected: (true, true)),
            Flags(era: "v0.20 without", write: "true", webhookID: "", expected: (true, false)),
            Flags(era: "nothing said: set", expected: (true, true)),
            Flags(era: "no config at all", config: false, expected: (false, false)),
            Flags(
                era: "the newer name wins", writeEnabled: "false", write: "true", webhookEnabled: "false",
                webhook: "true", expected: (false, false)),
        ])
    func flags(flags: Flags) {
        let config = MainfluxMapping.config(of: Self.profile(flags))
        #expect(config.write == flags.expected.write)
        #expect(config.webhook == flags.expected.webhook)
    }

    @Test(
        "a content type that is none becomes JSON",
        arguments: [
            (nil, "application/json"), ("", "application/json"), ("application/senml+json", "application/senml+json"),
            ("json", "application/json"), ("a/b\r\nX-Evil: 1", "application/json"),
        ] as [(String?, String)])
    func contentType(type: String?, expected: String) {
        let profile = Self.profile(Flags(era: "", expected: (true, true)), contentType: type)
        #expect(MainfluxMapping.config(of: profile).contentType == expected)
    }

    private static func profile(_ flags: Flags, contentType: String? = nil) -> MainfluxProfile {
        MainfluxProfile(
            id: Self.id, group: Self.id, name: "p", configJSON: "{}", hasConfig: flags.config,
            contentType: contentType, writeEnabled: flags.writeEnabled, write: flags.write,
            webhookEnabled: flags.webhookEnabled, webhook: flags.webhook, webhookID: flags.webhookID,
            hasTransformer: false)
    }

    @Test("a webhook of a thing fires for that thing alone, and one of a group for all of it")
    func trigger() throws {
        #expect(try Self.draft(thing: Self.id).options.trigger.things == [Self.id.description])
        #expect(try Self.draft(thing: nil).options.trigger.things == [])
    }

    @Test(
        "what Hookline would not send is refused with the field at fault",
        arguments: [
            ("file:///etc/passwd", "{}", "url"), ("/path", "{}", "url"),
            ("https://ok.example", #"{"Bad Name":"x"}"#, "headers"),
            ("https://ok.example", #"{"X":"a\r\nY: b"}"#, "headers"), ("https://ok.example", #"{"X":1}"#, "headers"),
            ("https://ok.example", "[]", "headers"),
        ])
    func refusals(url: String, headers: String, field: String) {
        let refusal = #expect(throws: InvalidField.self) { try Self.draft(url: url, headers: headers) }
        #expect(refusal?.field.hasPrefix(field) == true)
    }

    private static func draft(
        thing: EntityID? = nil, url: String = "https://ok.example/hook", headers: String = #"{"X-Api-Key":"k"}"#
    ) throws -> WebhookDraft {
        let webhook = MainfluxWebhook(
            id: Self.id, group: Self.id, thing: thing, name: "w", url: url, headersJSON: headers)
        return try MainfluxMapping.draft(webhook, named: "w")
    }

    @Test("names that a group has already get a number")
    func uniqueNames() {
        var taken: Set<String> = ["alarm"]
        #expect(MainfluxMapping.uniqueName("alarm", among: &taken) == "alarm (2)")
        #expect(MainfluxMapping.uniqueName("alarm", among: &taken) == "alarm (3)")
        #expect(MainfluxMapping.uniqueName("other", among: &taken) == "other")
        #expect(taken.count == 4)
    }

    @Test("keys are taken as they are, and refused only if no client could send them")
    func keys() throws {
        #expect(try MainfluxMapping.key("short").text == "short")
        #expect(throws: InvalidField.self) { try MainfluxMapping.key("") }
        #expect(throws: InvalidField.self) { try MainfluxMapping.key("a\0b") }
    }

    @Test(
        "members have one of the roles there are",
        arguments: [("viewer", true), ("owner", true), ("", false), ("root", false)])
    func members(role: String, isTaken: Bool) {
        let member = MainfluxMember(group: Self.id, member: "m", role: role)
        #expect((try? MainfluxMapping.member(member))?.role.rawValue == (isTaken ? role : nil))
    }
}
