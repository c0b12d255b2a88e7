internal import Values

extension JSONValue {
    /// Values in one request: of a megabyte of the smallest there would be half a million, which take their time to make.
    package static let mostValues = 50_000

    /// Reads a whole text in one walk over it.
    ///
    /// - Parameters:
    ///   - most: how many values it may have.
    ///   - whole: what the text is called where something is wrong with it as a whole.
    ///   - takesRepeated: whether a name may stand twice in an object, of which the last counts then.
    /// - Throws: ``InvalidField`` for what is no JSON, for half of a surrogate pair, which no text has, and for numbers that
    ///   the database does not have.
    package init(
        reading bytes: [UInt8], most: Int = Self.mostValues, as whole: String = "the body", takesRepeated: Bool = true
    ) throws(InvalidField) {
        var scanner = JSONScanner(bytes)
        var reader = JSONReader(most: most, takesRepeated: takesRepeated)
        scanner.skipSpace()
        let value = reader.value(&scanner, depth: 0)
        scanner.skipSpace()
        guard let value, scanner.position == scanner.end else {
            throw InvalidField(whole, reader.fault ?? Self.strangeness(of: bytes))
        }
        if reader.hasZeroBytes {
            // It may be in a member that another of its name stands for.
            throw InvalidField(value.placeOfZeroByte ?? whole, "must not have a zero byte")
        }
        self = value
    }
}

extension JSONValue {
    /// What is said of bytes that are no JSON. Some editors and shells put a mark in front of it that nobody sees.
    private static func strangeness(of bytes: [UInt8]) -> String {
        bytes.starts(with: [0xEF, 0xBB, 0xBF])
            ? "is not valid JSON: it begins with a byte order mark, which JSON does not have" : "is not valid JSON"
    }
}

private struct JSONReader {
    /// What is wrong, if it is not the grammar.
    private(set) var fault: String?
    private(set) var hasZeroBytes = false
    private var count = 0
    private let most: Int
    private let takesRepeated: Bool

    private static let longestName = 1_000
    private static let longestNumber = 1_024
    private static let longestExponent = 4

    init(most: Int, takesRepeated: Bool) {
        self.most = most
        self.takesRepeated = takesRepeated
    }

    mutating func value(_ scanner: inout JSONScanner, depth: Int) -> JSONValue? {
        let start = scanner.position
        self.count += 1
        guard self.count <= self.most else {
            self.fault = "has over \(self.most) values"
            return nil
        }
        switch scanner.current {
        case UInt8(ascii: "{")? where depth >= JSONScanner.deepest,
            UInt8(ascii: "[")? where depth >= JSONScanner.deepest:
            self.fault = "is nested more than \(JSONScanner.deepest) deep"
            return nil
        case UInt8(ascii: "{")?:
            var values: [ExactText: JSONValue] = [:]
            let isWhole = scanner.skipMembers(depth) { scanner, name in
                let place = name.lowerBound
                guard let name = self.name(scanner.bytes[name]), let value = self.value(&scanner, depth: depth + 1)
                else { return false }
                guard values.updateValue(value, forKey: ExactText(name)) == nil || self.takesRepeated else {
                    let line = scanner.bytes[..<place].count { $0 == UInt8(ascii: "\n") } + 1
                    self.fault = "has \(name) twice in an object, in line \(line) for the second time"
                    return false
                }
                return true
            }
            let raw = RawJSON(kind: .object, bytes: scanner.bytes, range: start..<scanner.position)
            return isWhole ? .object(JSONFields(exactly: values, raw: raw)) : nil
        case UInt8(ascii: "[")?:
            var values: [JSONValue] = []
            let isWhole = scanner.skipElements(depth) { scanner, _ in
                guard let value = self.value(&scanner, depth: depth + 1) else { return false }
                values.append(value)
                return true
            }
            return isWhole ? .array(values) : nil
        default:
            let kind = scanner.skipValue(depth: depth)
            return kind.flatMap { self.scalar($0, scanner.bytes[start..<scanner.position]) }
        }
    }

    private mutating func scalar(_ kind: RawJSON.Kind, _ text: ArraySlice<UInt8>) -> JSONValue? {
        switch kind {
        case .null: .null
        case .bool: .bool(text.first == UInt8(ascii: "t"))
        case .string: self.text(text.dropFirst().dropLast()).map(JSONValue.string)
        case .number: self.number(text)
        case .array, .object: nil
        }
    }

    /// - Parameter inside: of a string, still escaped.
    private mutating func text(_ inside: ArraySlice<UInt8>) -> String? {
        guard inside.contains(UInt8(ascii: "\\")) else { return String(decoding: inside, as: UTF8.self) }
        let (bytes, isText) = JSONScanner.unescape(inside)
        guard isText else {
            self.fault = "has half of a surrogate pair, which is no text"
            return nil
        }
        if bytes.contains(0) { self.hasZeroBytes = true }
        return String(decoding: bytes, as: UTF8.self)
    }

    private mutating func name(_ inside: ArraySlice<UInt8>) -> String? {
        guard inside.count <= Self.longestName else {
            self.fault = "has a name of over \(Self.longestName) bytes"
            return nil
        }
        // Those beyond ASCII take several times as long to be told apart.
        if !inside.allSatisfy({ $0 < 0x80 && $0 != UInt8(ascii: "\\") }) { self.count += 3 }
        return self.text(inside)
    }

    private mutating func number(_ bytes: ArraySlice<UInt8>) -> JSONValue? {
        if bytes.count <= 18, bytes.allSatisfy({ (0x30...0x39).contains($0) }) {
            return .integer(bytes.reduce(0) { $0 * 10 + Int64($1 - 0x30) })
        }
        let text = String(decoding: bytes, as: UTF8.self)
        // -0 is not 0, which is what an integer would make of it.
        if let integer = Int64(text), integer != 0 || bytes.count == 1 { return .integer(integer) }
        let exponent = bytes.drop { $0 | 0x20 != UInt8(ascii: "e") }.count { (0x30...0x39).contains($0) }
        guard bytes.count <= Self.longestNumber, exponent <= Self.longestExponent else {
            self.fault = "has a number of over \(Self.longestNumber) characters, or with an exponent beyond 9999"
            return nil
        }
        return Double(text).map { .number(WrittenNumber(value: $0, text: text)) }
    }
}
