import Domain
import Foundation
import Testing

/// What stands in a place is read there by others as what it was.
@Suite("Escaping")
struct EscapingTests {
    /// Every control character, what has a meaning in some place, and what is beyond ASCII.
    private static let texts: [String] =
        (0...0x7F as ClosedRange<UInt8>).map { "a\(Character(Unicode.Scalar($0)))b" } + [
            "\"", "\\", "\\\\\"", "\\u0041", "\\\"", "é", "e\u{301}", "\u{2028}\u{2029}", "😀", "\u{FFFD}", "\u{10FFFF}",
            "%41", "%",
            "a&b=c+d", "{payload}", "../..", "\u{7F}\u{80}", "</script>", "\r\nX: y",
        ]

    /// A message whose payload is the text as it is, and one that has it in JSON, written by another encoder.
    private static func messages(_ text: String) throws -> (plain: Message, member: Message) {
        func message(_ payload: [UInt8]) -> Message {
            Message(
                id: MessageID(rawValue: 1), thing: Message.noThing, group: Message.noThing, subtopic: "",
                contentType: "a/b",
                payload: payload, traceparent: nil, isKept: false, receivedNanoseconds: nil)
        }
        return (message(Array(text.utf8)), message(Array(try JSONSerialization.data(withJSONObject: ["s": text]))))
    }

    private static func render(
        _ message: Message, url: String = "https://h/", headers: [Header] = [],
        _ change: (inout WebhookOptions) -> Void = { _ in }
    ) throws -> RenderedRequest {
        var options = WebhookOptions()
        change(&options)
        return try RequestPlan(url: try WebhookURL(url), headers: headers, options: options)
            .render(message, org: nil, facts: .unknown)
    }

    @Test("of JSON is undone by another parser, in strings and in the place of values")
    func json() throws {
        for text in Self.texts {
            let (plain, member) = try Self.messages(text)
            // What is JSON by itself is no text to be quoted.
            if RawJSON(payload: plain.payload) == nil, !text.hasPrefix("\u{FEFF}") {
                for template in [#"{"v":{payload}}"#, #"{"v":"{payload}"}"#] {
                    let body = try Self.render(plain) { $0.request.body = .json(template) }.body ?? []
                    #expect(try Self.parse(body)["v"] as? String == text, "\(text.debugDescription) in \(template)")
                }
            }
            for template in [#"{"v":{payload.s}}"#, #"{"v":"{payload.s}"}"#, #"{"v":"{value.s}"}"#] {
                let body = try Self.render(member) { $0.request.body = .json(template) }.body ?? []
                #expect(try Self.parse(body)["v"] as? String == text, "\(text.debugDescription) in \(template)")
            }
            // The whole, as text within text.
            let body = try Self.render(member) { $0.request.body = .json(#"{"v":"<{payload}>"}"#) }.body ?? []
            let inner = try #require(try Self.parse(body)["v"] as? String).dropFirst().dropLast()
            #expect(try Self.parse(Array(inner.utf8))["s"] as? String == text)
        }
    }

    private static func parse(_ body: [UInt8]) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(body)) as? [String: Any])
    }

    @Test("of urls and forms is undone by another parser, and leaves nothing that no request line may have")
    func urls() throws {
        for text in Self.texts {
            let (plain, member) = try Self.messages(text)
            for (message, name) in [(plain, "{payload}"), (member, "{payload.s}")]
            where name != "{payload}" || RawJSON(plain.payload) == nil {
                let request = try Self.render(message, url: "https://h/p\(name)p/%7B%zz\"|?q=\(name)&r[]=`^") {
                    $0.request.query = [.init(key: "k[\"]", value: name)]
                    $0.request.body = .form([.init(key: "a b", value: name)])
                }
                let target = String(decoding: request.target, as: UTF8.self)
                let isClean = target.utf8.allSatisfy {
                    $0 > 0x20 && $0 < 0x7F && !"\"<>[\\]^`{|}#".utf8.contains($0)
                }
                #expect(isClean, "\(target)")
                let parts = try #require(URLComponents(string: target))
                #expect(parts.queryItems?.map(\.value) == [text, "`^", text], "\(text.debugDescription)")
                #expect(parts.percentEncodedPath.removingPercentEncoding == "/p\(text)p/{%zz\"|")
                let form = try #require(
                    URLComponents(string: "?" + String(decoding: request.body ?? [], as: UTF8.self)))
                #expect(form.queryItems == [URLQueryItem(name: "a b", value: text)])
            }
        }
    }

    @Test("of headers leaves one line, and text")
    func headers() throws {
        for text in Self.texts {
            let (plain, member) = try Self.messages(text)
            for (message, name) in [(plain, "{payload}"), (member, "{payload.s}")]
            where name != "{payload}" || RawJSON(plain.payload) == nil {
                let request = try Self.render(message, headers: [Header(name: "A", value: "<\(name)>")])
                let value = try #require(request.headers.first).value
                #expect(value.allSatisfy { $0 >= 0x20 && $0 != 0x7F })
                let expected = "<\(text)>".unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? " " : $0 }
                #expect(
                    Array(String(decoding: value, as: UTF8.self).unicodeScalars) == expected, "\(text.debugDescription)"
                )
            }
        }
    }
}
