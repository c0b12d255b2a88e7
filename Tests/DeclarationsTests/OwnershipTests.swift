import Declarations
import Domain
import Testing

private let group = "0191e000-0000-4000-8000-00000000000a"

private func id(_ number: Int) -> String { "0191e000-0000-4000-8000-00000000000\(number)" }

@Suite("What applies have made, and may remove")
struct OwnershipTests {
    /// A profile, a thing of it, a webhook and a source that name the thing, a member and a rule.
    private static func present() throws -> PresentGroup {
        var present = PresentGroup(group: try fields(#"{"id":"\#(group)","name":"G","new_thing_profile_id":null}"#))
        present.profiles = [try fields(#"{"id":"\#(id(1))","group_id":"\#(group)","name":"P"}"#)]
        present.things = [try fields(#"{"id":"\#(id(2))","group_id":"\#(group)","profile_id":"\#(id(1))","name":"T"}"#)]
        present.webhooks = [
            try fields(#"{"id":"\#(id(3))","name":"W","trigger":{"type":"MESSAGE","things":["\#(id(2))"]}}"#)
        ]
        present.sources = [try fields(#"{"id":"\#(id(4))","name":"S","thing_id":"\#(id(2))"}"#)]
        present.members = [try fields(#"{"member_id":"eve","role":"viewer"}"#)]
        present.rules = [try fields(#"{"id":"\#(id(5))","filter":"a/{thing}"}"#)]
        return present
    }

    private static let all: [Ownership.Entry] = [
        .init(.source, in: group, id: id(4)), .init(.webhook, in: group, id: id(3)),
        .init(.topicRule, in: group, id: "a/{thing}"), .init(.thing, in: group, id: id(2)),
        .init(.profile, in: group, id: id(1)), .init(.member, in: group, id: "eve"),
    ]

    private static func owned(_ entries: [Ownership.Entry]) -> Ownership {
        var owned = Ownership(url: "http://127.0.0.1:9021")
        for entry in entries { owned.add(entry, name: "n") }
        return owned
    }

    @Test("is read as it is written, a line for each, and in the same order however it came about")
    func text() throws {
        var owned = Self.owned(Self.all)
        owned.add(.init(.group, in: group, id: group), name: "a \"b\"\n")
        #expect(try Ownership(reading: Array(owned.text.utf8)) == owned)
        #expect(owned.text.split(separator: "\n").count == 9 && owned.text.hasSuffix("]}\n"))
        #expect(Self.owned(Self.all.reversed()).text == Self.owned(Self.all).text)
        let empty = Ownership(url: "http://x")
        #expect(try Ownership(reading: Array(empty.text.utf8)) == empty)
        owned.removeGroup(group)
        #expect(owned.entries.isEmpty)
    }

    @Test(
        "what is no such file is refused by its field",
        arguments: [
            ("{}", "version"), (#"{"version":2,"url":"x"}"#, "version"), (#"{"version":1}"#, "url"),
            (#"{"version":1,"url":"x","owned":[{"kind":"moon","id":"1","group":"g"}]}"#, "owned[0]"),
            (#"{"version":1,"url":"x","owned":[{"kind":"thing","id":"1"}]}"#, "owned[0]"),
        ])
    func refused(text: String, field: String) {
        let error = #expect(throws: InvalidField.self) { try Ownership(reading: Array(text.utf8)) }
        #expect(error?.field == field)
    }

    @Test("all that is owned and declared no more goes, what refers to others first")
    func everything() throws {
        let pruning = Pruning(Self.owned(Self.all), try Self.present(), declared: [], after: [])
        #expect(pruning.removed.map(\.entry) == Self.all && pruning.kept.isEmpty && pruning.gone.isEmpty)
        #expect(pruning.removed.map(\.name) == ["S", "W", "n", "T", "P", "n"])
    }

    @Test("nothing goes that is nobody's or still declared")
    func nothing() throws {
        let none = Pruning(Self.owned([]), try Self.present(), declared: [], after: [])
        #expect(none.removed.isEmpty && none.kept.isEmpty)
        let elsewhere = Self.all.map { Ownership.Entry($0.kind, in: id(9), id: $0.id) }
        #expect(Pruning(Self.owned(elsewhere), try Self.present(), declared: [], after: []).removed.isEmpty)
        let present = try Self.present()
        let after = present.lists.flatMap(\.1)
        let declared = Pruning(Self.owned(Self.all), present, declared: Set(Self.all), after: after)
        #expect(declared.removed.isEmpty && declared.kept.isEmpty && declared.gone.isEmpty)
    }

    @Test("what stays keeps what it refers to, and what that refers to")
    func kept() throws {
        // The source is somebody else's.
        let pruning = Pruning(Self.owned(Array(Self.all.dropFirst())), try Self.present(), declared: [], after: [])
        #expect(pruning.removed.map(\.entry.kind) == [.webhook, .topicRule, .member])
        #expect(
            pruning.kept == ["thing T is referred to by what stays", "profile P is referred to by what stays"])
    }

    @Test("what is to be made or changed keeps what it will refer to, and no more what it does")
    func after() throws {
        let webhook = Self.all[1]
        let rest = Array(Self.all.dropFirst())
        var present = try Self.present()
        present.sources = []
        let other = try fields(#"{"id":"\#(id(3))","name":"W","trigger":{"type":"MANUAL"}}"#)
        let changed = Pruning(Self.owned(rest), present, declared: [webhook], after: [other])
        #expect(changed.removed.map(\.entry.kind) == [.topicRule, .thing, .profile, .member])
        let new = try fields(#"{"name":"New","profile_id":"\#(id(1).uppercased())"}"#)
        let made = Pruning(Self.owned(rest), present, declared: [webhook], after: [other, new])
        #expect(made.removed.map(\.entry.kind) == [.topicRule, .thing, .member])
        let group = try fields(#"{"new_thing_profile_id":"\#(id(1))"}"#)
        let usual = Pruning(Self.owned(rest), present, declared: [webhook], after: [other, group])
        #expect(usual.removed.map(\.entry.kind) == [.topicRule, .thing, .member])
    }

    @Test("of several rules with one filter none goes, and all but one are of others")
    func alike() throws {
        var present = try Self.present()
        present.rules += [
            try fields(#"{"id":"\#(id(6))","filter":"a/{thing}"}"#),
            try fields(#"{"id":"\#(id(7))","filter":"b/{thing}"}"#),
            try fields(#"{"id":"\#(id(8))","filter":"a/{thing}"}"#),
        ]
        let owned = Self.owned(Self.all + [.init(.topicRule, in: group, id: "b/{thing}")])
        let pruning = Pruning(owned, present, declared: [], after: [])
        #expect(pruning.removed.filter { $0.entry.kind == .topicRule }.map(\.entry.id) == ["b/{thing}"])
        #expect(pruning.kept == ["topic rule a/{thing}: several rules have this filter"] && pruning.gone.isEmpty)
        #expect(
            owned.others(in: present, besideMember: nil) == ["topic rule a/{thing}", "topic rule a/{thing}"])
        let declared = Pruning(
            owned, present, declared: [.init(.topicRule, in: group, id: "a/{thing}")], after: [])
        #expect(declared.kept.isEmpty)
    }

    @Test("who applies stays a member")
    func caller() throws {
        let own = Pruning(
            Self.owned(Self.all), try Self.present(), declared: [], after: [], besideMember: "eve")
        #expect(own.removed.map(\.entry) == Self.all.dropLast() && own.kept == ["member eve is who applies"])
        let nobody = Pruning(
            Self.owned(Self.all.dropLast()), try Self.present(), declared: [], after: [], besideMember: "eve")
        #expect(nobody.kept.isEmpty && nobody.removed.count == 5)
    }

    @Test("what somebody else has removed is told as gone")
    func gone() throws {
        var present = try Self.present()
        present.members = []
        let pruning = Pruning(Self.owned(Self.all), present, declared: [], after: [])
        #expect(pruning.gone == [Self.all[5]] && pruning.removed.count == 5)
        let alone = pruning.withoutRemovals
        #expect(alone.gone == pruning.gone && alone.removed.isEmpty && alone.kept.isEmpty)
    }

    @Test("what others have in a group is named, but for copies of webhooks of its org and who asks")
    func others() throws {
        var present = try Self.present()
        #expect(Self.owned(Self.all).others(in: present, besideMember: nil).isEmpty)
        #expect(
            Self.owned([]).others(in: present, besideMember: "eve") == [
                "source S", "webhook W", "topic rule a/{thing}", "thing T", "profile P",
            ])
        let owned = Self.owned(Self.all.filter { $0.kind != .profile })
        #expect(owned.others(in: present, besideMember: nil) == ["profile P"])
        present.webhooks = [try fields(#"{"id":"\#(id(8))","org_webhook_id":"\#(id(9))","name":"Copy"}"#)]
        #expect(Self.owned(Self.all).others(in: present, besideMember: nil).isEmpty)
    }

    @Test(
        "keys that live, notices and TLS are of others; keys that have ended and what is not set are nothing",
        arguments: [
            (#"{"name":"k","status":"ACTIVE"}"#, "{}", "{}", ["key k"]),
            (#"{"name":"k","status":"UNREADABLE"}"#, "{}", "{}", ["key k"]),
            (#"{"name":"k","status":"REVOKED"}"#, "{}", "{}", []),
            (#"{"name":"k","status":"EXPIRED"}"#, "{}", "{}", []),
            (#"{"name":"k","status":"MEMBERSHIP_ENDED"}"#, "{}", "{}", []),
            ("{}", #"{"channels":[{"name":"Mail"},{"name":"Hook"}]}"#, "{}", ["notices to Mail", "notices to Hook"]),
            (
                "{}", #"{"channels":[]}"#,
                #"{"client_certificate":null,"authorities":null,"trusted":[],"minimum":null}"#, []
            ),
            ("{}", "{}", #"{"client_certificate":{"private_key":"***"},"trusted":[]}"#, ["its TLS"]),
            ("{}", "{}", #"{"authorities":"x","trusted":[]}"#, ["its TLS"]),
            ("{}", "{}", #"{"trusted":[],"minimum":"1.3"}"#, ["its TLS"]),
        ] as [(String, String, String, [String])])
    func unnameable(key: String, notices: String, tls: String, others: [String]) throws {
        let found = Ownership.others(keys: [try fields(key)], notices: try fields(notices), tls: try fields(tls))
        #expect(found == others)
    }

    @Test("TLS that cannot be read is of others")
    func unreadable() {
        #expect(Ownership.others(keys: [], notices: [:], tls: nil) == ["its TLS"])
    }

    @Test("a group that somebody renamed is told by its former name, until an apply notes the new one")
    func renamed() {
        let entry = Ownership.Entry(.group, in: group, id: group)
        var owned = Self.owned(Self.all)
        #expect(owned.formerName(ofGroup: group, called: "Fleet") == nil)
        owned.rename(entry, to: "Fleet")
        #expect(!owned.has(entry))
        owned.add(entry, name: "Fleet")
        #expect(owned.formerName(ofGroup: group, called: "Fleet") == nil)
        #expect(owned.formerName(ofGroup: group, called: "Fleet 2") == "Fleet")
        #expect(owned.formerName(ofGroup: id(9), called: "Fleet 2") == nil)
        owned.rename(entry, to: "Fleet 2")
        #expect(owned.formerName(ofGroup: group, called: "Fleet 2") == nil && owned.name(of: entry) == "Fleet 2")
    }

    @Test("the plan shows what is removed by a minus, and counts it only where there is some")
    func shown() {
        let removal = Change(removing: .webhook, "W\u{1B}")
        #expect(removal.lines == ["- webhook W "] && !removal.isNothing)
        let new = Change(.thing, "T", isNew: true, [])
        let changed = Change(.thing, "U", isNew: false, [Difference("name", from: nil, to: .string("U"))])
        #expect(Change.summary(of: [new, changed]) == "1 to be made, 1 to be changed.")
        #expect(
            Change.summary(of: [removal, changed, removal]) == "0 to be made, 1 to be changed, 2 to be removed.")
    }
}
