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

    init(text: String, kind: Kind, parts: [Part]) {
        self.text = text
        self.kind = kind
        self.parts = parts
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
        var bytes: [UInt8] = []
        switch kind {
        case .form: bytes.appendPercentEncoded(text.utf8)
        case .url: bytes.appendRequestTarget(text.utf8)
        case .header, .json, .text: bytes = Array(text.utf8)
        }
        return bytes
    }

    // MARK: Reading

    /// Goes by code points, as those who read JSON and urls do: a quote with an accent behind it is a quote.
    private struct Reader {
        let kind: Kind
        var parts: [Part] = []
        private let text: String
        private var rest: Substring.UnicodeScalarView
        private var literal = ""
        private var isInString = false

        init(_ text: String, kind: Kind) {
            self.text = text
            self.rest = text[...].unicodeScalars
            self.kind = kind
        }

        mutating func read() throws(Refusal) {
            while let scalar = self.rest.first {
                switch scalar {
                case "{": try self.readBrace()
                case "/":
                    if let path = self.pinPath() { self.add(.value(path)) } else { self.take(1) }
                // What an escape consists of cannot come from a message.
                case "\\" where self.kind == .json && self.isInString:
                    self.take(self.rest.dropFirst().first == "u" ? 6 : 2)
                case "\"" where self.kind == .json:
                    self.isInString.toggle()
                    self.take(1)
                default: self.take(to: self.rest.dropFirst().endOfPlain)
                }
            }
            self.flush()
        }

        private mutating func take(_ count: Int) {
            self.take(to: self.rest.index(self.rest.startIndex, offsetBy: count, limitedBy: self.rest.endIndex))
        }

        /// - Parameter end: nil is the end of the text.
        private mutating func take(to end: Substring.Index?) {
            let end = end ?? self.rest.endIndex
            self.literal += Substring(self.rest[..<end])
            self.rest = self.rest[end...]
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
            if self.rest.starts(with: "{{".unicodeScalars) {
                self.literal.unicodeScalars.append("{")
                self.rest = self.rest.dropFirst(2)
                return
            }
            let inside = self.rest.dropFirst()
            // Only what looks like a placeholder through to its closing brace can be one.
            guard let first = inside.first, first.properties.isAlphabetic || first == "_",
                let end = Self.end(of: inside)
            else { return self.take(1) }
            let name = Substring(inside[..<end])
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
        private static func end(of text: Substring.UnicodeScalarView) -> Substring.Index? {
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
            guard self.rest.starts(with: "/pin".unicodeScalars) else { return nil }
            let behind = self.rest.dropFirst(4)
            let end = behind.prefix { $0 != "/" }.endIndex
            guard end < behind.endIndex else { return nil }
            let path = behind[..<end]
            guard path.isEmpty || path.first == "[", let parsed = JSONPath(Substring(path)) else { return nil }
            if self.kind == .url {
                let before = self.text.unicodeScalars[..<self.rest.startIndex]
                guard before.contains("?") || before.last == "/" else { return nil }
            }
            self.rest = behind[behind.index(after: end)...]
            return parsed
        }
    }
}

extension Substring.UnicodeScalarView {
    /// Where the first stands that may mean something in a template. Its bytes are looked at: most of them are just text.
    fileprivate var endOfPlain: Substring.Index? {
        Substring(self).utf8.firstIndex { byte in
            switch byte {
            case UInt8(ascii: "{"), UInt8(ascii: "/"), UInt8(ascii: "\\"), UInt8(ascii: "\""): true
            default: false
            }
        }
    }
}

extension [UInt8] {
    private mutating func appendPercentEncoded(_ byte: UInt8) {
        func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x37 + value }
        self.append(UInt8(ascii: "%"))
        self.append(digit(byte >> 4))
        self.append(digit(byte & 15))
    }

    /// Appends path and query of a url as they go into a request line: what may not stand there (RFC 3986, section 3.3 and
    /// 3.4) is percent-encoded, a percent sign too if no two digits follow it. Everything else stays.
    mutating func appendRequestTarget(_ text: some Collection<UInt8>) {
        func isDigit(_ byte: UInt8) -> Bool {
            (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte & 0xDF)
        }
        for index in text.indices {
            let byte = text[index]
            let next = text[index...].dropFirst().prefix(2)
            let isAllowed =
                switch byte {
                case UInt8(ascii: "%"): next.count == 2 && next.allSatisfy(isDigit)
                case ...0x20, 0x7F..., UInt8(ascii: "\""), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "["),
                    UInt8(ascii: "\\"), UInt8(ascii: "]"), UInt8(ascii: "^"), UInt8(ascii: "`"), UInt8(ascii: "{"),
                    UInt8(ascii: "|"), UInt8(ascii: "}"), UInt8(ascii: "#"):
                    false
                default: true
                }
            if isAllowed { self.append(byte) } else { self.appendPercentEncoded(byte) }
        }
    }

    /// Appends bytes with all but unreserved characters percent-encoded.
    package mutating func appendPercentEncoded(_ bytes: some Sequence<UInt8>) {
        for byte in bytes {
            if byte.isUnreserved { self.append(byte) } else { self.appendPercentEncoded(byte) }
        }
    }
}
