@testable import Domain

private let someID = EntityID(high: 1, low: 2)

private func message(_ payload: [UInt8], subtopic: String = "") -> Message {
    Message(
        id: MessageID(rawValue: 1 << 40), thing: someID, group: someID, subtopic: subtopic,
        contentType: "application/json", payload: payload, traceparent: nil, isKept: false, receivedNanoseconds: nil)
}

/// What may stand in a request line.
private func isTarget(_ bytes: [UInt8]) -> Bool {
    bytes.allSatisfy { $0 > 0x20 && $0 < 0x7F && !#""<>[\]^`{|}#"#.utf8.contains($0) }
}

/// What may stand in a header (RFC 9110, section 5.5).
private func isHeaderValue(_ bytes: [UInt8]) -> Bool { bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 } }

/// What is filled in makes it deeper than its parts.
private func isJSON(_ bytes: some Collection<UInt8>) -> Bool { ReferenceJSON.accepts(bytes, deepest: 200) }

extension Reader {
    /// A kind and a template, a thing's name, a subtopic, and a payload.
    static let template = Reader("template") { bytes in
        var input = Input(bytes)
        let (kind, longest) = input.choice(of: [
            (Template.Kind.url, WebhookURL.longest), (.form, Header.longestValue), (.header, Header.longestValue),
            (.json, RequestSpec.longestBody), (.text, RequestSpec.longestBody),
        ])
        let (text, name, subtopic) = (input.line(), input.line(), input.line())
        guard text.utf8.count <= longest, let template = try? Template(text, kind: kind) else { return }
        func rendered(_ message: Message) -> [UInt8]? {
            let paths = PathSet(template.placeholders.flatMap(\.paths))
            let noted = Annotations(labels: ["site=\(name)"], metadata: String(decoding: input.bytes, as: UTF8.self))
            let facts = ThingFacts(
                name: name, profile: someID, externalID: name,
                annotations: ThingAnnotations(thing: noted, profile: Annotations()))
            return try? template.render(TemplateValues(message, org: nil, facts: facts, paths: paths))
        }
        guard let out = rendered(message(input.bytes, subtopic: subtopic)) else { return }
        expect(out.count <= RenderedRequest.longestBody, "what is filled in has a bound")
        switch kind {
        case .url, .form: expect(isTarget(out), "a request line has no other characters")
        case .header:
            guard Header.refusal(of: [Header(name: "a", value: text)]) == nil else { return }
            expect(isHeaderValue(out), "a header has no control characters")
        case .json:
            guard let plain = rendered(message(Array("{}".utf8))), isJSON(plain) else { return }
            expect(isJSON(out), "a template of JSON becomes JSON whatever is filled in")
        case .text: break
        }
    }

    /// A url, a header, a row of a query, a body, and a payload.
    static let request = Reader("request") { bytes in
        var input = Input(bytes)
        guard let url = try? WebhookURL(input.line()) else { return }
        let header = Header(name: "X-Own", value: input.line())
        guard Header.refusal(of: [header]) == nil else { return }
        var options = WebhookOptions()
        options.request.query = [.init(key: "key", value: input.line())]
        let body = input.line()
        options.request.body = body.isEmpty ? nil : .json(body)
        options.request.format = .cloudEvents
        let given = message(input.bytes, subtopic: "a b\"/ü")
        if let plan = try? RequestPlan(url: url, headers: [header], options: options),
            let request = try? plan.render(given, org: nil, facts: .unknown)
        {
            expect(isTarget(request.target), "a request line has no other characters")
            expect(request.target.count <= RenderedRequest.longestTarget, "a request line has a bound")
            expect(request.headers.allSatisfy { isHeaderValue($0.value) }, "headers have no control characters")
            if !body.isEmpty { expect(isJSON(request.body ?? []), "a body of JSON is JSON") }
        }
        for form in Batching.Form.allCases {
            options.batching = Batching(mostItems: 3, longestWait: 1, form: form)
            let binary = message([0xC3, 0x28, 0x00])
            guard let plan = try? RequestPlan(url: url, headers: [header], options: options),
                let batch = try? plan.render(batch: [given, binary, given], org: nil, facts: { _ in .unknown }),
                let body = batch.request?.body
            else { continue }
            let items = form == .json ? [body[...]] : body.split(separator: 0x0A)
            expect(items.allSatisfy(isJSON), "several messages are JSON")
            let count = form == .json ? RawJSON(body)?.elements.count ?? items.count : items.count
            expect(form == .json && RawJSON(body) == nil || count == batch.taken - batch.failures.count, "none is lost")
        }
    }
}
