import Domain
import Testing
import Values

@Suite("Commands to things")
struct CommandTests {
    private static let thing = EntityID("00000000-0000-4000-8000-00000000000a")!
    private static let id = "00000000-0000-4000-8000-00000000000b"

    @Test("are answered by messages below answers/, to a command by its id, or to the newest of a subtopic")
    func addresses() {
        let cases: [(String, CommandAnswer.Address?)] = [
            ("answers/\(Self.id)", .command(EntityID(Self.id)!)), ("answers", .newest(subtopic: "")),
            ("answers/led/1", .newest(subtopic: "led/1")), ("answers/\(Self.id)/x", .newest(subtopic: "\(Self.id)/x")),
            ("", nil), ("answersx", nil), ("led/answers", nil), ("commands/\(Self.id)", nil),
        ]
        for (subtopic, address) in cases { #expect(CommandAnswer.address(subtopic) == address, "\(subtopic)") }
        #expect(CommandAnswer("things/\(Self.thing)/messages/answers/led")?.thing == Self.thing)
        #expect(CommandAnswer("things/\(Self.thing)/commands/answers/led") == nil)
        let command = Command(id: EntityID(Self.id)!, group: Self.thing, thing: Self.thing, payload: [])
        #expect(CommandAnswer(command.answerTopic)?.address == .command(command.id))
        for (text, isOne) in [("a/b", true), ("", true), ("a+", false), ("#", false), ("a\u{1}", false)] {
            #expect(CommandTopic.isSubtopic(text) == isOne, "\(text)")
        }
    }

    @Test("have keys that come out as they went in, last as long as they say, and cannot be changed or made up")
    func keys() throws {
        let now = Instant(clampingMilliseconds: 1_800_000_000_000)
        let keys = CommandKeys(secret: Array(repeating: 1, count: 32), publicURL: "https://a", lifetime: .seconds(600))
        for answer in [nil, .command(EntityID(Self.id)!), .newest(subtopic: "led/ü")] as [CommandAnswer.Address?] {
            let key = CommandKey(
                thing: Self.thing, group: .random(), webhook: .random(), answer: answer, expiresAt: now + .seconds(60))
            let text = keys.text(key)
            #expect(text.utf8.allSatisfy { (0x21...0x7E).contains($0) && !"+/=".utf8.contains($0) })
            #expect(try keys.read(text, now: now) == key)
            #expect(throws: CommandKeys.Refusal.expired) { try keys.read(text, now: now + .seconds(60)) }
            let others = CommandKeys(secret: Array(repeating: 2, count: 32), publicURL: nil, lifetime: .seconds(1))
            #expect(throws: CommandKeys.Refusal.unknown) { try others.read(text, now: now) }
            let body = Array(text.dropFirst(4))
            for index in body.indices.dropLast() {
                var changed = body
                changed[index] = changed[index] == "A" ? "B" : "A"
                #expect(throws: CommandKeys.Refusal.unknown, "\(index)") {
                    try keys.read("hkc_" + String(changed), now: now)
                }
            }
        }
        for text in ["", "hkc_", "hkc_AAAA", "hk_x", "hkc_" + String(repeating: "A", count: 5_000)] {
            #expect(throws: CommandKeys.Refusal.unknown) { try keys.read(text, now: now) }
        }
        #expect(keys.url(of: Self.thing) == "https://a/things/\(Self.thing)/commands")
    }

    @Test("have keys by which it is known what they come of")
    func origins() throws {
        let now = Instant(clampingMilliseconds: 1_800_000_000_000)
        let keys = CommandKeys(secret: Array(repeating: 1, count: 32), publicURL: nil, lifetime: .seconds(600))
        func origin(_ subtopic: String, _ event: TriggerKind? = nil) throws -> CommandAnswer.Address? {
            let message = Message(
                id: MessageID(rawValue: 1), thing: Self.thing, group: Self.thing, subtopic: subtopic, contentType: "",
                payload: [], traceparent: nil, isKept: false, receivedNanoseconds: nil, event: event)
            return try keys.read(keys.text(for: message, webhook: .random(), now: now), now: now).answer
        }
        #expect(try origin("room") == nil)
        #expect(try origin("answers/\(Self.id)") == .command(EntityID(Self.id)!))
        #expect(keys.url(of: Self.thing) == nil)
    }
}
