internal import Values

/// Short texts that owners give things and profiles, to tell some from others: `outdoor`, or `site=Berlin`.
package enum Label {
    package static let most = 32
    /// In characters.
    package static let longest = 100

    /// - Returns: each once, in the order of their code points.
    package static func checked(_ texts: [String], field: String = "labels") throws(InvalidField) -> [String] {
        guard texts.count <= Self.most else { throw InvalidField(field, "must hold at most \(Self.most) labels") }
        for (index, text) in texts.enumerated() where !Self.isLabel(text) {
            throw InvalidField("\(field)[\(index)]", "must be \(Self.expected)")
        }
        var keys: Set<ExactText> = []
        let unique = Set(texts.map { ExactText($0) }).sorted().map(\.text)
        for label in unique where !keys.insert(ExactText(Self.key(of: label))).inserted {
            throw InvalidField(field, "must not say \(Self.key(of: label)) more than once")
        }
        return unique
    }

    package static let expected =
        "1 to \(Self.longest) printable characters without , and ; such as outdoor or site=Berlin"

    package static func isLabel(_ text: String) -> Bool {
        guard text.unicodeScalars.count <= Self.longest, Name.isName(text) else { return false }
        guard !text.has(","), !text.has(";"), text.utf8.first != UInt8(ascii: "=") else { return false }
        return text.first?.isWhitespace == false && text.last?.isWhitespace == false
    }

    static func key(of label: String) -> Substring { label.parts(between: "=")[0] }
}

/// What owners call a thing: any text that can be read, unique in the group.
package enum ExternalID {
    /// - Returns: nil if it is empty.
    package static func checked(_ text: String, field: String = "external_id") throws(InvalidField) -> String? {
        text.isEmpty ? nil : try Name.checked(text, field: field)
    }
}

/// What owners keep with something: an object of theirs, which keeps its text.
package enum Metadata {
    /// In bytes.
    package static let largest = 16 * 1_024

    package static func checked(_ value: JSONValue, field: String = "metadata") throws(InvalidField) -> String {
        if case .null = value { return "{}" }
        guard case .object = value else { throw InvalidField(field, "must be an object, not \(value.kind)") }
        let text = value.text
        guard text.utf8.count <= Self.largest else {
            throw InvalidField(field, "must have at most \(Self.largest) bytes")
        }
        return text
    }
}
