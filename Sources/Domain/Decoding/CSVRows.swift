/// Rows of a table (RFC 4180) as JSON: objects by the names of the columns, or arrays where there are none. A field that is a
/// number of JSON is one, an empty one is null, and any other a string.
struct CSVRows: Sendable {
    /// Whether the first row has the names of the columns.
    private var hasHeader = true
    /// The names of the columns, where the payload has none.
    private var columns: [String] = []
    /// nil takes the one that comes first.
    private var separator: UInt8?

    private static let (mostColumns, longestName) = (200, 200)
    static let mostRows = 50_000

    init() {}

    /// - Parameter options: `header`, `columns`, `separator`.
    init(_ options: JSONObject) throws(InvalidField) {
        self.columns = try options.strings("columns") ?? []
        self.hasHeader = try options.bool("header") ?? self.columns.isEmpty
        if !self.columns.isEmpty, self.hasHeader {
            throw InvalidField(options.name("columns"), "names columns where header is false")
        }
        guard self.columns.count <= Self.mostColumns else {
            throw InvalidField(options.name("columns"), "must be at most \(Self.mostColumns)")
        }
        for name in self.columns where name.isEmpty || name.unicodeScalars.count > Self.longestName {
            throw InvalidField(options.name("columns"), "must be names of 1 to \(Self.longestName) characters")
        }
        guard let separator = try options.string("separator") else { return }
        guard [",", ";", "\t", "|"].contains(separator), let byte = separator.utf8.first else {
            throw InvalidField(options.name("separator"), "must be a comma, a semicolon, a tab or |")
        }
        self.separator = byte
    }

    init?(stored json: RawJSON) {
        guard json.kind == .object, json.member("format")?.string == PayloadFormat.csv.rawValue else { return nil }
        self.hasHeader = json.member("header")?.bool ?? true
        self.columns = json.member("columns")?.elements.compactMap(\.string) ?? []
        self.separator = json.member("separator")?.string?.utf8.first
    }

    /// What ``init(stored:)`` reads.
    var text: String {
        var fields: JSONFields = [
            "format": .string(PayloadFormat.csv.rawValue), "header": .bool(self.hasHeader),
        ]
        if !self.columns.isEmpty { fields["columns"] = .array(self.columns.map(JSONValue.string)) }
        if let separator { fields["separator"] = .string(String(decoding: [separator], as: UTF8.self)) }
        return JSONValue.object(fields).text
    }

    func read(_ payload: [UInt8], _ view: JSONView) throws(DecodingFault) -> [UInt8] {
        var view = view
        let table: DelimitedText
        do throws(DelimitedText.Refusal) {
            table = try DelimitedText(payload, most: Self.mostRows, separator: self.separator)
        } catch {
            throw DecodingFault("line \(error.line) \(error.reason)")
        }
        var rows = table.rows[...]
        let names = self.hasHeader ? rows.popFirst()?.fields ?? [] : self.columns
        // Each is written once, and again for each row.
        var keys: [[UInt8]] = []
        for name in names {
            var key = JSONView(longest: .max)
            try key.append(quoted: Array(name.utf8)[...], at: 0)
            keys.append(key.bytes + [UInt8(ascii: ":")])
        }
        try view.append("[")
        for (place, row) in rows.enumerated() {
            if place > 0 { try view.append(",") }
            guard keys.isEmpty || row.fields.count <= keys.count else {
                throw DecodingFault(
                    "line \(row.line) has \(row.fields.count) fields, and there are \(keys.count) columns")
            }
            if keys.isEmpty { try view.append("[") } else { try view.append("{") }
            for (index, field) in row.fields.enumerated() {
                if index > 0 { try view.append(",") }
                if !keys.isEmpty { try view.append(json: keys[index]) }
                try Self.append(field, to: &view)
            }
            if keys.isEmpty { try view.append("]") } else { try view.append("}") }
        }
        try view.append("]")
        return view.bytes
    }

    private static func append(_ field: String, to view: inout JSONView) throws(DecodingFault) {
        let bytes = Array(field.utf8)
        guard !bytes.isEmpty else { return try view.append("null") }
        let isNumber =
            bytes.count <= 64 && RawJSON(bytes).map { $0.kind == .number && $0.text.count == bytes.count } == true
        if isNumber { try view.append(json: bytes) } else { try view.append(quoted: bytes[...], at: 0) }
    }
}
