internal import Values

@testable import Domain

extension Reader {
    /// A pattern, and a text or an answer.
    static let pattern = Reader("pattern") { bytes in
        var input = Input(bytes)
        let written = input.line()
        let text = input.text
        if TextPattern(written)?.matches(text) == true {
            expect(TextPattern("*\(written)*")?.matches(text) == true, "what fits fits with anything around it")
        }
        let beginning = String(String.UnicodeScalarView(text.unicodeScalars.prefix(TextPattern.mostSteps)))
        let escaped = beginning.unicodeScalars.map { "\\\($0)" }.joined()
        expect(TextPattern(escaped)?.matches(beginning) == true, "a text fits itself")
        for rule in [
            SuccessRule(matches: written), SuccessRule(path: "a", matches: written), SuccessRule(equals: written),
        ] {
            var policy = DeliveryPolicy()
            policy.success = rule
            guard case .denied(let denial) = policy.meaning(ofStatus: 200, input.bytes) else { continue }
            expect(denial.error.utf8.count < denial.reason.utf8.count + 2_000, "little of an answer is quoted")
            expect(AnswerMeaning.Denial.shown(denial.error, to: .viewer) != denial.error, "and not to everybody")
        }
    }

    static let retryAfter = Reader("retry-after", longest: 64) { bytes in
        let text = Input(bytes).text
        let longest = max(.seconds(1_000_000_000), Instant.last - Instant.first)
        let waits = [Instant.first, Instant(clampingSeconds: 1.7e9), .last].map { RetryAfter.wait(text, now: $0) }
        expect(waits.allSatisfy { $0.map { $0 >= .zero && $0 <= longest } ?? true }, "a wait has bounds")
        expect(Set(waits.map { $0 == nil }).count == 1, "what is understood is understood at any time")
        expect(RetryAfter.wait(" \(text) ", now: .first) == waits[0], "spaces around it say nothing")
    }

    static let url = Reader("url", longest: 4_096) { bytes in
        let text = Input(bytes).text
        _ = Network(text).map { network in
            expect(Network(network.description) == network, "a network is read again as it is written")
            expect(network.contains(network.base), "a network has its base")
        }
        guard let url = try? WebhookURL(text) else { return }
        expect(
            url.requestTarget.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !#""<>[\]^`{|}#"#.utf8.contains($0) },
            "a request line has no other characters")
        expect(url.requestTarget.first == "/" && (1...65_535).contains(url.port), "it leads somewhere")
        guard let again = try? WebhookURL(url.origin + url.target) else { fatalError("a url is one again") }
        expect(
            again.host == url.host && again.port == url.port && again.isTLS == url.isTLS && again.target == url.target,
            "its parts are the whole")
        if url.host.contains(":") || url.host.utf8.last.map({ (0x30...0x39).contains($0) }) == true {
            let isName = url.host.split(separator: ".").last?.utf8.first.map { $0 > 0x39 || $0 == 0x2D } ?? false
            expect(IPAddress(url.host) != nil || isName, "what looks like an address is one")
        }
    }

    static let topic = Reader("topic", longest: 16 * 1024) { bytes in
        let text = Input(bytes).text
        guard let topic = try? ThingTopic(text) else { return }
        expect((try? ThingTopic("things/\(topic.thing)/messages/\(topic.subtopic)")) == topic, "it is read again")
        expect(topic.subtopic.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }, "a subtopic can stand in a header")
        if case .newest(let subtopic)? = CommandAnswer(text)?.address {
            expect(
                CommandAnswer.address("answers/\(subtopic)") == .newest(subtopic: subtopic), "an answer is read again")
        }
    }

    /// A rule's filter, a topic and a payload, a line each; the payload is split, or looked into for the thing.
    static let rules = Reader("rules", longest: 16 * 1024) { bytes in
        let lines = Input(bytes).text.split(separator: "\n", maxSplits: 2, omittingEmptySubsequences: false)
        guard lines.count == 3, let topic = TopicLevels(lines[1]) else { return }
        let filter = String(lines[0])
        if let plain = TopicFilter(filter) {
            expect(TopicFilter(plain.description) == plain, "a filter is read again")
            expect(plain.covers(plain) && plain.overlaps(plain), "a filter has its own topics")
        }
        for draft in [
            TopicRule.Draft(filter: filter), TopicRule.Draft(filter: filter, thing: "id"),
            TopicRule.Draft(filter: filter, split: "keys"),
            TopicRule.Draft(filter: filter, thing: "id", split: "array"),
            TopicRule.Draft(filter: filter, split: "keys", decode: "cbor"),
            TopicRule.Draft(filter: filter, thing: "id", split: "array", decode: "csv"),
        ] {
            guard let rule = try? TopicRule(draft) else { continue }
            var trie = TopicTrie<Int>()
            trie.insert(1, for: rule.pattern.filter)
            let isTaken = rule.pattern.filter.matches(topic)
            expect(trie.values(for: topic) == (isTaken ? [1] : []), "a trie finds what a filter takes")
            guard isTaken else { continue }
            let taken = rule.take(topic, Array(lines[2].utf8))
            expect(taken.parts.count <= TopicRule.mostParts, "there are so many parts and no more")
            expect(taken.parts.allSatisfy { (try? Name.checked($0.thing)) != nil }, "a thing has a name")
        }
    }

    static let ids = Reader("ids", longest: 4_096) { bytes in
        let text = Input(bytes).text
        if let id = EntityID(text) { expect(id.description == text.lowercased(), "an id has one form") }
        if let id = DeliveryID(text) { expect(DeliveryID(id.text) == id, "a delivery's id is read again") }
        if let trace = SpanContext(text) {
            expect(SpanContext.checked(text) == text, "a trace is passed on as it is")
            expect(SpanContext(trace.traceparent) == trace, "where it stands is read again")
        }
        for address in [IPAddress(ipv4: text), IPAddress(ipv6: text)].compactMap(\.self) {
            expect(IPAddress(address.description) == address, "an address is read again as it is written")
            _ = AddressGuard().permits(address)
        }
        if let path = JSONPath(text) { expect(JSONPath(path.description) == path, "a path is read again") }
    }

    static let times = Reader("times", longest: 1_024) { bytes in
        let text = Input(bytes).text
        if let time = Instant(rfc3339: text) {
            expect(Instant(rfc3339: time.text) == time.rounded(downTo: .milliseconds(1)), "a time is read again")
        }
        if let length = Duration(text: text) {
            expect(Duration(text: length.text) == length, "a duration is read again as it is written")
        }
        if let number = Int64(text) {
            let times = [Instant(milliseconds: number), Instant(seconds: number), Instant(microseconds: number)]
            for time in times.compactMap(\.self) + [Instant(clampingMilliseconds: number)] {
                _ = (MessageID.first(at: time).time, time + .milliseconds(number), time - .seconds(number), time.text)
            }
        }
    }

    static let encodings = Reader("encodings", longest: 16 * 1024) { bytes in
        expect(Base64.decode(Base64.encode(bytes)) == bytes, "base64 is decoded to what it was made of")
        expect(Hex.decode(Hex.encode(bytes)) == bytes, "digits are read as what they were made of")
        let written = String(unsafeUninitializedCapacity: (bytes.count + 2) / 3 * 4) { text in
            bytes.withUnsafeBytes { Base64.write($0, to: text) }
        }
        expect(written == Base64.encode(bytes), "both ways to write base64 write the same")
        let text = Input(bytes).text
        if let decoded = Base64.decode(text) {
            let isPlain = text.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x41...0x5A).contains($0 & 0xDF) || "+/=".utf8.contains($0)
            }
            expect(isPlain && decoded.count == text.utf8.count { $0 != 0x3D } * 3 / 4, "base64 has no other characters")
        }
        if let decoded = Hex.decode(text) {
            expect(Hex.encode(decoded) == text.lowercased(), "digits are what they say")
        }
    }

    static let keys = Reader("keys", longest: 4_096) { bytes in
        guard let key = try? SigningKey(Input(bytes).text) else { return }
        guard let again = try? SigningKey(key.text) else { fatalError("a key is read again") }
        let signature = key.signature(id: "1", timestamp: 2, body: bytes)
        expect(again.signature(id: "1", timestamp: 2, body: bytes).count == signature.count, "it signs as before")
        expect(
            key.kind == .ed25519 || again.signature(id: "1", timestamp: 2, body: bytes) == signature, "it is the same")
        expect((key.publicText != nil) == (key.kind == .ed25519), "only one of a pair has a public half")
    }

    /// A table as text.
    static let table = Reader("table") { bytes in
        guard let table = try? DelimitedText(bytes, most: 100_000) else { return }
        for (one, next) in zip(table.rows, table.rows.dropFirst()) { expect(one.line < next.line, "lines go on") }
        // By code points: a quote behind a sign that joins is no character of its own.
        func quoted(_ field: String) -> String {
            let scalars = field.unicodeScalars.flatMap { (scalar: Unicode.Scalar) -> [Unicode.Scalar] in
                scalar == "\"" ? [scalar, scalar] : [scalar]
            }
            return "\"\(String(String.UnicodeScalarView(scalars)))\""
        }
        let lines = table.rows.map { row in row.fields.map(quoted).joined(separator: ",") }
        let again = try? DelimitedText(Array(lines.joined(separator: "\r\n").utf8), most: 100_000)
        expect(again?.rows.map(\.fields) == table.rows.map(\.fields), "what is written again is read as it was")
    }
}
