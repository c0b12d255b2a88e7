/// Text with placeholders, read once and filled in for each message.
///
/// A placeholder is `{name}`, or `{payload.path}` and `{value[0]}`. A brace that does not begin one is itself, so JSON
/// needs no escaping; `{{` is a brace that is never taken for one. The older `/pin/` and `/pin[0]/` mean `{value}` and
/// `{value[0]}`.
package struct Template: Sendable, Equatable {
    /// Where a template stands, which decides how values are written into it.
    package enum Kind: Sendable {
        /// Path and query of a url: all but unreserved characters (RFC 3986, section 2.3) are percent-encoded.
        case url
        /// A value of a query or form (application/x-www-form-urlencoded): as in a url, the template's own text too.
        case form
        case header
        /// JSON text: inside quotes values are escaped, elsewhere they are JSON values of their own.
        case json
        case text
    }

    enum Place: Sendable { case percent, header, jsonString, jsonValue, text }

    enum Part: Sendable, Equatable {
        case literal([UInt8])
        case placeholder(Placeholder, Place)
    }

    package let text: String
    package let kind: Kind
    let parts: [Part]

    /// - Throws: the position of a placeholder that does not exist, and what may have been meant.
    package init(_ text: String, kind: Kind) throws(Refusal) {
        var reader = Reader(text, kind: kind)
        try reader.read()
        self.text = text
        self.kind = kind
        self.parts = reader.parts
    }

    /// Text that is nothing but itself.
    package init(literal text: String, kind: Kind) {
        self.text = text
        self.kind = kind
        self.parts = text.isEmpty ? [] : [.literal(Self.encoded(text, kind))]
    }

    package var hasPlaceholders: Bool { !self.placeholders.isEmpty }

    /// Whether it comes out as it was written.
    var isVerbatim: Bool { self.text.isEmpty || self.parts == [.literal(Array(self.text.utf8))] }

    package var placeholders: [Placeholder] {
        self.parts.compactMap { if case .placeholder(let placeholder, _) = $0 { placeholder } else { nil } }
    }

    /// Why a text is no template, in words for the caller.
    package struct Refusal: Error, Sendable, Equatable {
        package let reason: String
        /// Counted from 1, in characters.
        package let position: Int
    }

    private static func encoded(_ text: String, _ kind: Kind) -> [UInt8] {
        guard kind == .form else { return Array(text.utf8) }
        var bytes: [UInt8] = []
        bytes.appendPercentEncoded(text.utf8)
        return bytes
    }

    // MARK: Reading

    private struct Reader {
        let kind: Kind
        var parts: [Part] = []
        private let text: String
        private var rest: Substring
        private var literal = ""
        private var isInString = false

        init(_ text: String, kind: Kind) {
            self.text = text
            self.rest = text[...]
            self.kind = kind
        }

        mutating func read() throws(Refusal) {
            while let character = self.rest.first {
                switch character {
                case "{": try self.readBrace()
                case "/":
                    if let path = self.pinPath() { self.add(.value(path)) } else { self.take(1) }
                case "\\" where self.kind == .json && self.isInString: self.take(2)
                case "\"" where self.kind == .json:
                    self.isInString.toggle()
                    self.take(1)
                default: self.take(1)
                }
            }
            self.flush()
        }

        private mutating func take(_ count: Int) {
            self.literal += self.rest.prefix(count)
            self.rest = self.rest.dropFirst(count)
        }

        private mutating func flush() {
            guard !self.literal.isEmpty else { return }
            self.parts.append(.literal(Template.encoded(self.literal, self.kind)))
            self.literal = ""
        }

        private mutating func add(_ placeholder: Placeholder) {
            self.flush()
            let place: Place =
                switch self.kind {
                case .url, .form: .percent
                case .header: .header
                case .json: self.isInString ? .jsonString : .jsonValue
                case .text: .text
                }
            self.parts.append(.placeholder(placeholder, place))
        }

        private mutating func readBrace() throws(Refusal) {
            if self.rest.hasPrefix("{{") {
                self.literal += "{"
                self.rest = self.rest.dropFirst(2)
                return
            }
            let inside = self.rest.dropFirst()
            // Only what looks like a placeholder through to its closing brace can be one.
            guard let first = inside.first, first.isLetter || first == "_", let end = Self.end(of: inside) else {
                return self.take(1)
            }
            let name = inside[..<end]
            guard let placeholder = Placeholder(name) else {
                let position = self.text.distance(from: self.text.startIndex, to: self.rest.startIndex) + 1
                let hint = Placeholder.suggestion(for: name).map { "; did you mean {\($0)}?" } ?? ""
                throw Refusal(
                    reason:
                        "has {\(name)} at position \(position), which is no placeholder\(hint) (write {{ for a brace)",
                    position: position)
            }
            self.add(placeholder)
            self.rest = inside[inside.index(after: end)...]
        }

        /// Where the brace closes, if nothing stands before it that no placeholder has.
        private static func end(of text: Substring) -> Substring.Index? {
            var isQuoted = false
            for index in text.indices {
                switch text[index] {
                case "\"": isQuoted.toggle()
                case _ where isQuoted: continue
                case "}": return index
                case " ", "{", "\n", "\r", "\t", ",", ";", "=", "(", ")", "'": return nil
                default: continue
                }
            }
            return nil
        }

        /// Takes `/pin/` or `/pin[0]/`. In a url's path `/pin/` may be a part of the path, so there it has to be set off
        /// by another slash.
        private mutating func pinPath() -> JSONPath? {
            guard self.rest.hasPrefix("/pin") else { return nil }
            let behind = self.rest.dropFirst(4)
            let end = behind.prefix { $0 != "/" }.endIndex
            guard end < behind.endIndex else { return nil }
            let path = behind[..<end]
            guard path.isEmpty || path.first == "[", let parsed = JSONPath(path) else { return nil }
            if self.kind == .url {
                let before = self.text[..<self.rest.startIndex]
                guard before.contains("?") || before.last == "/" else { return nil }
            }
            self.rest = behind[behind.index(after: end)...]
            return parsed
        }
    }
}

extension [UInt8] {
    /// Appends bytes with all but unreserved characters percent-encoded.
    package mutating func appendPercentEncoded(_ bytes: some Sequence<UInt8>) {
        let digits = Array("0123456789ABCDEF".utf8)
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), 0x30...0x39,
                UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
                self.append(byte)
            default: self += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
    }
}
