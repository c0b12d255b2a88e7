@testable import API
@testable import Domain
@testable import Schema

extension Reader {
    /// A request's body.
    static let body = Reader("body") { bytes in
        guard let value = try? JSONValue(reading: bytes) else { return }
        expect(ReferenceJSON.accepts(bytes), "what is taken is JSON")
        for shape in [Shape.webhook, .source, .test, .list(.thing)] { _ = try? shape.check(value) }
        var text: [UInt8] = []
        value.append(to: &text)
        guard let again = try? JSONValue(reading: text) else { fatalError("what was taken is taken again") }
        expect(again == value, "it is the same again")
        expect((try? JSONWriter.bytes(of: value)) == text, "it is answered as it is kept")
        expect(!text.contains { $0 == 0x0A || $0 == 0x0D }, "it is on one line")
    }

    /// A text, sent as an event by itself and in JSON.
    static let events = Reader("events", longest: 16 * 1024) { bytes in
        let text = Input(bytes).text
        expect(
            ReferenceEvents.read(EventFrame.event("a", text)) == [.init("a", ReferenceEvents.lines(text))],
            "it is one event")
        expect(ReferenceEvents.read(EventFrame.comment(text)).isEmpty, "a comment is none")
        guard let json = try? JSONWriter.bytes(of: ["text": text]) else { fatalError("any text can be written") }
        expect(RawJSON(json)?.member("text")?.string == text, "it is read as it was written")
        expect(!json.contains { $0 == 0x0A || $0 == 0x0D }, "it is on one line")
    }

    /// What proxies say in headers, a line each, and the address that was called.
    static let forwarded = Reader("forwarded", longest: 4_096) { bytes in
        var input = Input(bytes)
        let names = ["forwarded", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-prefix"]
        let headers = Dictionary(uniqueKeysWithValues: names.map { ($0, input.line()) })
        let base = ReachedAddress(authority: input.line()) { headers[$0] }.base
        guard let url = try? WebhookURL(base) else { fatalError("what is told is a url") }
        expect(base == url.origin + (url.target == "/" ? "" : url.target), "it is one of ours, and a path at the most")
        expect(!base.utf8.contains { "?#@<>'\"\\".utf8.contains($0) }, "nothing in it means anything else")
        let told = ["x-forwarded-proto": String(base.prefix { $0 != ":" }), "x-forwarded-prefix": url.target]
        expect(ReachedAddress(authority: url.authority) { told[$0] }.base == base, "it is told again as it is")
    }

    static let cursor = Reader("cursor") { bytes in
        guard let cursor = PageCursor(text: Input(bytes).text) else { return }
        guard let text = try? cursor.text else { fatalError("a cursor can be written") }
        expect(PageCursor(text: text) == cursor || text.utf8.count > 4_096, "a cursor is read again as it is written")
        _ = cursor.numbers([.number, .time])
        _ = cursor.numbers([.kind, .number, .time])
    }
}

/// Reads a stream of events as browsers do
/// (https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation).
private enum ReferenceEvents {
    struct Event: Equatable {
        let name: String
        let data: [UInt8]

        init(_ name: String, _ lines: [ArraySlice<UInt8>]) {
            self.name = name
            self.data = Array(lines.joined(separator: [0x0A]))
        }
    }

    /// Lines end with CR, LF, or both.
    static func lines(_ text: String) -> [ArraySlice<UInt8>] {
        var lines: [ArraySlice<UInt8>] = []
        var rest = Array(text.utf8)[...]
        while let end = rest.firstIndex(where: { $0 == 0x0A || $0 == 0x0D }) {
            lines.append(rest[..<end])
            let isPair = rest[end] == 0x0D && rest[end...].dropFirst().first == 0x0A
            rest = rest[end...].dropFirst(isPair ? 2 : 1)
        }
        return lines + [rest]
    }

    static func read(_ stream: String) -> [Event] {
        var events: [Event] = []
        var (name, data): (String, [ArraySlice<UInt8>]) = ("", [])
        // What no empty line ends is no event.
        for line in Self.lines(stream).dropLast() {
            if line.isEmpty {
                if !data.isEmpty { events.append(Event(name, data)) }
                (name, data) = ("", [])
                continue
            }
            let field = line.prefix { $0 != 0x3A }
            var value = line[field.endIndex...].dropFirst()
            if value.first == 0x20 { value = value.dropFirst() }
            if field.elementsEqual("event".utf8) { name = String(decoding: value, as: UTF8.self) }
            if field.elementsEqual("data".utf8) { data.append(value) }
        }
        return events
    }
}
