package import Values

/// Makes JSON of what is none: the view of a payload, which templates, conditions and samples read while the payload itself
/// goes on as it came.
///
/// It lies here and not in a room of its own, because the view is what `PayloadIndex` reads, and some formats hold JSON. An object,
/// so that a message that has one carries a reference, and one that has none nothing.
package final class PayloadDecoder: Sendable {
    package let format: PayloadFormat
    /// By which it is made again: it stands beside each message, so that a message is read as its profile said when it came in.
    package let text: String
    private let csv: CSVRows
    private let protobuf: ProtobufChoice?

    private init(_ format: PayloadFormat) {
        self.format = format
        self.text = format.rawValue
        self.csv = CSVRows()
        self.protobuf = nil
    }

    private init(_ csv: CSVRows) {
        self.format = .csv
        self.csv = csv
        self.text = csv.text
        self.protobuf = nil
    }

    init(_ protobuf: ProtobufChoice) {
        self.format = .protobuf
        self.csv = CSVRows()
        self.text = protobuf.text
        self.protobuf = protobuf
    }

    private static let plain = Dictionary(
        uniqueKeysWithValues: PayloadFormat.allCases.filter { $0 != .json && $0 != .protobuf }.map {
            ($0.rawValue, PayloadDecoder($0))
        })

    /// - Parameter text: ``text``; nil if this version does not know it.
    package static func of(_ text: String) -> PayloadDecoder? {
        if let plain = Self.plain[text] { return plain }
        if let protobuf = ProtobufChoice(stored: text) { return PayloadDecoder(protobuf) }
        guard let json = RawJSON(Array(text.utf8)), let csv = CSVRows(stored: json) else { return nil }
        return PayloadDecoder(csv)
    }

    /// - Parameter decode: a profile's: a format's name, or an object with it and its options. nil for JSON, of which none is made.
    /// - Throws: what is wrong with it, and where.
    package static func checked(_ decode: JSONValue, at path: String) throws(InvalidField) -> PayloadDecoder? {
        let (name, at): (String?, String)
        var options: JSONObject?
        switch decode {
        case .null: return nil
        case .string(let text): (name, at) = (text, path)
        default:
            let object = try JSONObject(decode, at: path)
            (name, at, options) = (try object.string("format"), object.name("format"), object)
        }
        guard let format = name.flatMap(PayloadFormat.init(rawValue:)) else {
            let all = PayloadFormat.allCases.map(\.rawValue).joined(separator: ", ")
            throw InvalidField(at, "must be one of \(all)")
        }
        let allowed: Set<String> =
            switch format {
            case .csv: ["format", "header", "columns", "separator"]
            case .protobuf: ["format", "descriptors", "type", "types"]
            default: ["format"]
            }
        if let options, let other = options.fields.keys.sorted().first(where: { !allowed.contains($0) }) {
            throw InvalidField(options.name(other), "is not an option of \(format.rawValue)")
        }
        if format == .csv, let options { return PayloadDecoder(try CSVRows(options)) }
        if format == .protobuf {
            guard let options else {
                throw InvalidField(at, "must be an object with format, descriptors and type where it is protobuf")
            }
            return PayloadDecoder(try ProtobufChoice(options))
        }
        return Self.plain[format.rawValue]
    }

    /// The descriptor set that it reads by; nil if it needs none.
    package var descriptors: DescriptorReference? { self.protobuf?.descriptors }

    /// What reads the payloads of a subtopic, which may be of a type of their own. It stands beside a message, this one in a profile.
    package func chosen(for subtopic: String) -> PayloadDecoder { self.protobuf?.chosen(for: subtopic) ?? self }

    /// - Parameter path: where a profile's `decode` stands.
    /// - Throws: which type there is not in the descriptor set, if that is known.
    package func checkTypes(at path: String) throws(InvalidField) { try self.protobuf?.checkTypes(at: path) }

    /// How long a view of so many bytes may be, so that a small payload comes to no large one.
    package static func longestView(of count: Int) -> Int {
        min(RenderedRequest.longestBody, count.multiplied(by: 16).adding(64 * 1024))
    }

    /// The payload as JSON, in time that is as long as it and the view are.
    ///
    /// - Parameter received: what times that are relative are relative to.
    package func view(of payload: [UInt8], received: Instant) throws(UndecodedPayload) -> [UInt8] {
        let view = JSONView(longest: Self.longestView(of: payload.count))
        do throws(DecodingFault) {
            switch self.format {
            case .json: return payload
            case .cbor:
                var reader = CBORReader(payload, view)
                return try reader.read()
            case .msgpack:
                var reader = MsgpackReader(payload, view)
                return try reader.read()
            case .senml: return try SenML.read(payload, view, received: received)
            case .sparkplugB: return try ProtobufReader.sparkplug(payload, view)
            case .text:
                var view = view
                try view.append(quoted: payload[...], at: 0)
                return view.bytes
            case .csv: return try self.csv.read(payload, view)
            case .protobuf: return try self.protobuf?.read(payload, view) ?? []
            }
        } catch {
            throw UndecodedPayload(format: self.format, offset: error.offset, reason: error.reason)
        }
    }
}

extension PayloadDecoder: Hashable {
    package static func == (a: PayloadDecoder, b: PayloadDecoder) -> Bool { a.text == b.text }

    package func hash(into hasher: inout Hasher) { hasher.combine(self.text) }
}
