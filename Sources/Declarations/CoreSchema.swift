package import Domain

/// What a plain scalar of YAML is, by the core schema of YAML 1.2 (section 10.3.2): `yes`, `no`, `on` and `off` are texts.
package enum CoreSchema {
    /// - Parameter path: where it stands.
    /// - Throws: ``InvalidField`` for what is no JSON (`.inf`, `.nan`) and for numbers with zeros in front, which other readers take for
    ///   something else.
    package static func value(_ text: String, at path: String) throws(InvalidField) -> JSONValue {
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE": return .bool(true)
        case "false", "False", "FALSE": return .bool(false)
        default: break
        }
        let unsigned = text.first == "-" || text.first == "+" ? text.dropFirst() : text[...]
        if [".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"].contains(String(unsigned)) {
            throw InvalidField(path, "is \(text), a number that JSON does not have; a text stands in quotes")
        }
        for (prefix, radix) in [("0o", 8), ("0x", 16)] where text.hasPrefix(prefix) {
            let digits = text.dropFirst(2)
            guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isHexDigit }) else { return .string(text) }
            guard let number = Int64(digits, radix: radix) else { return .string(text) }
            return .integer(number)
        }
        guard let parts = Parts(unsigned) else { return .string(text) }
        guard parts.whole.count <= 1 || parts.whole.first != "0" else {
            throw InvalidField(
                path, "is a number with a zero in front: a text stands in quotes, and a number without it")
        }
        let sign = text.first == "-" ? "-" : ""
        let whole = parts.whole.isEmpty ? "0" : parts.whole
        let fraction = parts.fraction.isEmpty ? "" : ".\(parts.fraction)"
        do throws(InvalidField) {
            return try JSONValue(reading: Array("\(sign)\(whole)\(fraction)\(parts.exponent)".utf8))
        } catch {
            throw InvalidField(path, error.reason)
        }
    }

    /// A number `[0-9]*(\.[0-9]*)?([eE][-+]?[0-9]+)?` with a digit in front of the exponent.
    private struct Parts {
        let whole: Substring
        let fraction: Substring
        let exponent: Substring

        init?(_ text: Substring) {
            func digits(_ text: Substring) -> Substring { text.prefix { $0.isASCII && $0.isNumber } }
            self.whole = digits(text)
            var rest = text[self.whole.endIndex...]
            if rest.first == "." {
                self.fraction = digits(rest.dropFirst())
                rest = rest.dropFirst(1 + self.fraction.count)
            } else {
                self.fraction = ""
            }
            guard !self.whole.isEmpty || !self.fraction.isEmpty else { return nil }
            self.exponent = rest
            guard !rest.isEmpty else { return }
            guard rest.first == "e" || rest.first == "E" else { return nil }
            rest = rest.dropFirst()
            if rest.first == "-" || rest.first == "+" { rest = rest.dropFirst() }
            guard !rest.isEmpty, digits(rest).count == rest.count else { return nil }
        }
    }
}
