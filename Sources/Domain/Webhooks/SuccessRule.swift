/// What a receiver's answer must say for a delivery to be a success: there are services that answer 200 and mean no.
package struct SuccessRule: Sendable, Equatable, Codable {
    /// Into the body, as ``JSONPath`` reads it; nil is the whole text, without what is blank around it.
    package let path: String?
    /// JSON text that is to stand there; nil if there is a pattern.
    package let equals: String?
    /// How a text is to be that stands there (``TextPattern``).
    package let matches: String?

    /// How much of a body is read.
    package static let mostBytes = 64 * 1024
    private static let longestValue = 1_024
    fileprivate static let longestPattern = 254
    /// Of what is found, in an error.
    private static let mostShown = 200

    package init(path: String? = nil, equals: String? = nil, matches: String? = nil) {
        self.path = path
        self.equals = equals
        self.matches = matches
    }

    /// - Parameter fault: what is wrong with the body, if something is. What says yes all the same is taken: there are some who
    ///   say that a body is packed which is not.
    /// - Returns: nil if the body says yes.
    func denial(of body: [UInt8], fault: AnswerMeaning.BodyFault? = nil) -> AnswerMeaning.Denial? {
        let body = Array(body.prefix(Self.mostBytes))
        func no(_ found: String, canBeRead: Bool = true) -> AnswerMeaning.Denial {
            .init(expected: self.words, found: Self.explained(found, by: fault, canBeRead: canBeRead))
        }
        guard let path else {
            guard let text = String(validating: Self.trimmed(body), as: UTF8.self) else {
                return no("is no text", canBeRead: false)
            }
            guard !text.isEmpty else { return no("there is no body") }
            return self.isMet(by: text, RawJSON(body)) ? nil : no("is \(Self.shown(body))")
        }
        guard let json = RawJSON(payload: body) else {
            return body.isEmpty
                ? no("there is no body") : no("the body is not JSON: \(Self.shown(body))", canBeRead: false)
        }
        guard let value = JSONPath(path).flatMap(json.value(at:)) else { return no("is not there") }
        return self.isMet(by: value.string ?? value.compactText, value) ? nil : no("is \(Self.shown(value.text))")
    }

    /// - Parameter canBeRead: whether the body was read, so that it is not packed, whatever is said of it.
    private static func explained(_ found: String, by fault: AnswerMeaning.BodyFault?, canBeRead: Bool) -> String {
        switch fault {
        case nil: found
        case .packed where canBeRead: found
        case .packed(let coding):
            "the body cannot be read: it is sent with content-encoding \(Self.shown(coding.utf8)), which was not asked for"
        case .brokeOff: "\(found); but the answer broke off before its end"
        }
    }

    private func isMet(by text: String, _ value: RawJSON?) -> Bool {
        if let matches { return TextPattern(matches)?.matches(text) == true }
        guard let expected = self.equals.flatMap({ RawJSON(Array($0.utf8)) }) else { return false }
        if let value, value.kind == expected.kind, value.canonicalText == expected.canonicalText { return true }
        // A text that stands there alone needs no quotes.
        return self.path == nil && expected.codePoints.map { $0.elementsEqual(text.utf8) } == true
    }

    private var words: String {
        let subject = self.path ?? "the body"
        return self.matches.map { "\(subject) must match \($0)" } ?? "\(subject) must be \(self.equals ?? "")"
    }

    private static func trimmed(_ body: [UInt8]) -> ArraySlice<UInt8> {
        let start = body.firstIndex { $0 > 0x20 } ?? body.endIndex
        return body[start..<(body.lastIndex { $0 > 0x20 }.map { $0 + 1 } ?? start)]
    }

    private static func shown(_ text: some Collection<UInt8>) -> String {
        String(decoding: text.prefix(Self.mostShown * 4), as: UTF8.self).printable(most: Self.mostShown)
    }
}

extension FieldKind where Value == SuccessRule {
    static var successRule: FieldKind {
        FieldKind(
            .object([
                .init("path", .text(0...JSONPath.longest)), .init("equals", .own),
                .init("matches", .text(1...SuccessRule.longestPattern)),
            ]),
            read: { (object, name) throws(InvalidField) in
                guard let fields = try object.object(name) else { return nil }
                let equals = fields.fields["equals"].flatMap { $0 == .null ? nil : $0.text }
                let path = try fields.string("path").flatMap { $0.isEmpty ? nil : $0 }
                return SuccessRule(path: path, equals: equals, matches: try fields.string("matches"))
            },
            write: { rule in
                var fields: JSONFields = [:]
                if let path = rule.path { fields["path"] = .string(path) }
                if let equals = rule.equals { fields["equals"] = try? JSONValue(reading: Array(equals.utf8)) }
                if let matches = rule.matches { fields["matches"] = .string(matches) }
                return .object(fields)
            },
            check: { (rule, name) throws(InvalidField) in try rule.check(at: name) })
    }
}

extension SuccessRule {
    fileprivate func check(at name: String) throws(InvalidField) {
        if let path {
            guard let steps = JSONPath(path)?.steps, steps.count <= Conditions.longestPath else {
                throw InvalidField("\(name).path", "must be a path such as status.code, of at most 16 steps")
            }
        }
        guard (self.equals == nil) != (self.matches == nil) else {
            throw InvalidField(name, "must say what the answer equals, or what it matches")
        }
        if let equals, equals.utf8.count > Self.longestValue || RawJSON(Array(equals.utf8)) == nil {
            throw InvalidField("\(name).equals", "must be JSON of at most \(Self.longestValue) bytes")
        }
        if let matches {
            guard matches.unicodeScalars.count <= Self.longestPattern, TextPattern(matches) != nil else {
                throw InvalidField(
                    "\(name).matches",
                    "must be a pattern such as ok* or [1-9]*, of at most \(Self.longestPattern) characters that stand for"
                        + " \(TextPattern.mostSteps) at the most (a bracket for one, * for none)")
            }
        }
    }
}
