package import Domain

/// JSON values as YAML 1.2 that is read as the same again: objects and lists as blocks, always in the same order.
package enum YAMLText {
    package static func lines(_ value: JSONValue) -> [String] {
        switch self.form(value) {
        case .inline(let text): [text]
        case .block(let lines): lines
        }
    }

    private enum Form {
        case inline(String)
        case block([String])
    }

    private static let first = ["name", "id", "external_id", "filter", "member_id", "type"]
    private static let last = ["members", "profiles", "things", "topic_rules", "webhooks", "sources"]

    /// A name with its quotes that is longer has to be marked as one: others may have 1024 characters (YAML 1.2, section 7.4).
    private static let longestKey = 1_000

    /// What names something stands at its beginning, and what is in it at its end.
    private static func rank(_ name: String) -> Int {
        if let index = Self.first.firstIndex(of: name) { return index - Self.first.count }
        return (Self.last.firstIndex(of: name) ?? -1) + 1
    }

    private static func form(_ value: JSONValue) -> Form {
        switch value {
        case .array(let values):
            guard !values.isEmpty else { return .inline("[]") }
            return .block(
                values.flatMap { value in
                    switch Self.form(value) {
                    case .inline(let text): ["- \(text)"]
                    case .block(let lines):
                        lines.enumerated().map { $0.offset == 0 ? "- \($0.element)" : "  \($0.element)" }
                    }
                })
        case .object(let fields):
            guard !fields.keys.isEmpty else { return .inline("{}") }
            let members = fields.sorted { (Self.rank($0.key), $0.key) < (Self.rank($1.key), $1.key) }
            return .block(
                members.flatMap { name, value in
                    let key = Self.text(name)
                    let isLong = key.utf8.count > Self.longestKey
                    switch Self.form(value) {
                    case .inline(let text): return isLong ? ["? \(key)", ": \(text)"] : ["\(key): \(text)"]
                    case .block(let lines):
                        return (isLong ? ["? \(key)", ":"] : ["\(key):"]) + lines.map { "  \($0)" }
                    }
                })
        case .string(let text): return .inline(Self.text(text))
        default: return .inline(value.text)
        }
    }

    /// Plain where every reader takes it for a text, and else as a string of JSON, which is one of YAML.
    static func text(_ text: String) -> String {
        let bytes = text.utf8
        let isPlain =
            bytes.count <= 200 && !text.hasSuffix(" ")
            && bytes.allSatisfy { ASCII.isNamed($0) || $0 == UInt8(ascii: " ") }
            && bytes.first.map { (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) } == true
            && !Self.reserved.contains(text.lowercased())
        if isPlain { return text }
        var quoted: [UInt8] = []
        quoted.appendQuoted(text)
        // What JSON has as it is, and YAML does not.
        return String(decoding: quoted, as: UTF8.self).unicodeScalars.reduce(into: "") { text, scalar in
            switch scalar.value {
            case 0x7F...0x9F, 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF:
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
    }

    /// Other than texts to this reader or to those of YAML 1.1.
    private static let reserved: Set<String> = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"]

    private enum ASCII {
        static func isNamed(_ byte: UInt8) -> Bool {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
            case UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "/"): true
            default: false
            }
        }
    }
}
