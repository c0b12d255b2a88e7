internal import Values

/// SenML (RFC 8428), in JSON or in CBOR, as an array of resolved records in the form of Mainflux's transformer: `name`, `unit`, `time` in
/// nanoseconds since 1970, `update_time`, `value`, `string_value`, `data_value`, `bool_value`, `sum`; in the order of their times.
///
/// A time below 2^28 seconds is relative to when the message came in, as section 4.5.3 has it; Mainflux does so only with none at all.
enum SenML {
    private static let newestVersion = 10
    /// Times are below it if they are relative, in seconds.
    private static let firstAbsolute: Int64 = 1 << 28

    private struct Failure: Error { let reason: String }

    /// What records before this one say of it.
    private struct Base {
        var name = ""
        var nanoseconds: Int64 = 0
        var unit: RawJSON?
        var value: RawJSON?
        var sum: RawJSON?
    }

    private struct Record {
        let nanoseconds: Int64
        let text: [UInt8]
    }

    static func read(
        _ payload: [UInt8], _ view: JSONView, received: Instant
    ) throws(DecodingFault) -> [UInt8] {
        let text = RawJSON.textRange(of: payload)
        let isJSON = payload[text].first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) } == UInt8(ascii: "[")
        let pack: RawJSON?
        if isJSON {
            pack = RawJSON(payload: payload)
        } else {
            // Labels are numbers there, and the text of these is what they are read by.
            var reader = CBORReader(payload, view)
            pack = RawJSON(try reader.read(bytesAs: .base64URL))
        }
        guard let pack, pack.kind == .array else {
            throw DecodingFault(isJSON ? "it is no JSON" : "it is no array of records")
        }
        let names = isJSON ? Self.words : Self.labels
        var base = Base()
        var records: [Record] = []
        // What they come to, before it is known in which order.
        var whole = view
        for (index, element) in pack.elements.enumerated() {
            do throws(Failure) {
                guard let record = try Self.resolve(element, names, &base, received) else { continue }
                records.append(record)
            } catch {
                throw DecodingFault("record \(index) \(error.reason)")
            }
            if let last = records.last { try whole.append(json: last.text) }
        }
        return try Self.array(of: records, view)
    }

    private static func array(of records: [Record], _ view: JSONView) throws(DecodingFault) -> [UInt8] {
        // Records of one time stay in their order.
        let order = records.indices.sorted {
            (records[$0].nanoseconds, $0) < (records[$1].nanoseconds, $1)
        }
        var view = view
        try view.append("[")
        for (place, index) in order.enumerated() {
            if place > 0 { try view.append(",") }
            try view.append(json: records[index].text)
        }
        try view.append("]")
        return view.bytes
    }

    private enum Field { case bver, bn, bt, bu, bv, bs, n, u, v, vs, vb, s, t, ut, vd }

    private static let words: [String: Field] = [
        "bver": .bver, "bn": .bn, "bt": .bt, "bu": .bu, "bv": .bv, "bs": .bs, "n": .n, "u": .u, "v": .v, "vs": .vs,
        "vb": .vb, "s": .s, "t": .t, "ut": .ut, "vd": .vd,
    ]
    private static let labels: [String: Field] = [
        "-1": .bver, "-2": .bn, "-3": .bt, "-4": .bu, "-5": .bv, "-6": .bs, "0": .n, "1": .u, "2": .v, "3": .vs,
        "4": .vb, "5": .s, "6": .t, "7": .ut, "8": .vd,
    ]

    /// - Returns: nil for a record that only says what holds of those behind it.
    private static func resolve(
        _ element: RawJSON, _ names: [String: Field], _ base: inout Base, _ received: Instant
    ) throws(Failure) -> Record? {
        guard element.kind == .object else { throw Failure(reason: "is no object") }
        var fields: [Field: RawJSON] = [:]
        for (name, value) in element.members {
            let name = String(decoding: name, as: UTF8.self)
            if let field = names[name] {
                fields[field] = value
            } else if name.hasSuffix("_") {
                throw Failure(reason: "has \(name.prefix(64)), which must be understood, and is not")
            }
        }
        try Self.take(fields, into: &base)
        let values: [Field] = [.v, .vs, .vb, .vd]
        let own = fields.keys.filter { values.contains($0) }
        guard own.count < 2 else { throw Failure(reason: "has several values") }
        guard !own.isEmpty || fields[.s] != nil || [.n, .u, .t, .ut].contains(where: { fields[$0] != nil }) else {
            return nil
        }
        let hasSum = fields[.s] != nil || base.sum != nil
        guard !own.isEmpty || hasSum || base.value != nil else { throw Failure(reason: "has no value") }
        let time = try Self.time(fields[.t], base.nanoseconds, received)
        return Record(nanoseconds: time, text: try Self.text(of: fields, base, time, isEmpty: own.isEmpty))
    }

    private static func take(_ fields: [Field: RawJSON], into base: inout Base) throws(Failure) {
        if let version = fields[.bver] {
            guard let number = version.exactNumber, number <= JSONNumber(Self.newestVersion) else {
                throw Failure(reason: "is of a version beyond \(Self.newestVersion)")
            }
        }
        if let name = fields[.bn] { base.name = try Self.string(name, "bn") }
        if let time = fields[.bt] { base.nanoseconds = try Self.nanoseconds(time, "bt") }
        if let unit = fields[.bu] { base.unit = try Self.checked(unit, .string, "bu") }
        if let value = fields[.bv] { base.value = try Self.checked(value, .number, "bv") }
        if let sum = fields[.bs] { base.sum = try Self.checked(sum, .number, "bs") }
    }

    private static func text(
        of fields: [Field: RawJSON], _ base: Base, _ time: Int64, isEmpty: Bool
    ) throws(Failure) -> [UInt8] {
        let name = base.name + (try fields[.n].map { json throws(Failure) in try Self.string(json, "n") } ?? "")
        try Self.check(name: name)
        var text = Array(#"{"name":"\#(name)""#.utf8)
        func add(_ name: String, _ value: some Sequence<UInt8>) {
            text += Array(",\"\(name)\":".utf8)
            text += value
        }
        if let unit = try fields[.u].map({ json throws(Failure) in try Self.checked(json, .string, "u") }) ?? base.unit
        {
            add("unit", unit.text)
        }
        add("time", String(time).utf8)
        if let update = fields[.ut] { add("update_time", try Self.checked(update, .number, "ut").text) }
        if fields[.v] != nil || isEmpty && base.value != nil {
            add("value", try Self.sum(fields[.v], base.value, "v"))
        }
        if let value = fields[.vs] { add("string_value", try Self.checked(value, .string, "vs").text) }
        if let value = fields[.vd] { add("data_value", try Self.checked(value, .string, "vd").text) }
        if let value = fields[.vb] { add("bool_value", try Self.checked(value, .bool, "vb").text) }
        if fields[.s] != nil || base.sum != nil { add("sum", try Self.sum(fields[.s], base.sum, "s")) }
        text.append(UInt8(ascii: "}"))
        return text
    }

    private static func checked(_ json: RawJSON, _ kind: RawJSON.Kind, _ name: String) throws(Failure) -> RawJSON {
        guard json.kind == kind else { throw Failure(reason: "has another kind of \(name)") }
        return json
    }

    private static func string(_ json: RawJSON, _ name: String) throws(Failure) -> String {
        guard let text = json.string else { throw Failure(reason: "has a \(name) that is no text") }
        return text
    }

    /// Section 4.5.1. So it needs no escapes.
    private static func check(name: String) throws(Failure) {
        guard let first = name.utf8.first else { throw Failure(reason: "has no name") }
        let others = Array("-:./_".utf8)
        guard first.isLetterOrDigit, name.utf8.allSatisfy({ $0.isLetterOrDigit || others.contains($0) }) else {
            throw Failure(reason: "has a name with other characters than letters, digits and - : . / _")
        }
    }

    // MARK: Numbers

    /// A value as it was written, unless something has to be added to it.
    private static func sum(_ own: RawJSON?, _ base: RawJSON?, _ name: String) throws(Failure) -> [UInt8] {
        if let own { _ = try Self.checked(own, .number, name) }
        guard let own, let base else { return Array((own ?? base)?.text ?? []) }
        func whole(_ json: RawJSON) -> Int64? { Int64(String(decoding: json.text, as: UTF8.self)) }
        if let a = whole(own), let b = whole(base) {
            let (sum, isOver) = a.addingReportingOverflow(b)
            if !isOver { return Array(String(sum).utf8) }
        }
        let sum = (own.number ?? .nan) + (base.number ?? .nan)
        guard sum.isFinite else { throw Failure(reason: "has a \(name) that is too large") }
        return Array(sum.description.utf8)
    }

    private static func time(_ own: RawJSON?, _ base: Int64, _ received: Instant) throws(Failure) -> Int64 {
        let (time, isOver) = base.addingReportingOverflow(
            try own.map { json throws(Failure) in try Self.nanoseconds(json, "t") } ?? 0)
        guard !isOver else { throw Failure(reason: "has a time that is too far") }
        guard time < Self.firstAbsolute * 1_000_000_000 else { return time }
        return time.adding(received.microseconds.multiplied(by: 1_000))
    }

    /// Exactly, but for what is smaller than a nanosecond.
    private static func nanoseconds(_ json: RawJSON, _ name: String) throws(Failure) -> Int64 {
        let json = try Self.checked(json, .number, name)
        var digits: [UInt8] = []
        var (exponent, isBehind, isNegative) = (9, false, false)
        var text = json.text[...]
        while let byte = text.popFirst() {
            switch byte {
            case UInt8(ascii: "-"): isNegative = true
            case UInt8(ascii: "."): isBehind = true
            case UInt8(ascii: "e"), UInt8(ascii: "E"):
                exponent = exponent.adding(Int(String(decoding: text, as: UTF8.self)) ?? 1_000)
                text = []
            default:
                if digits.isEmpty, byte == 0x30 {
                    // Nothing yet.
                } else {
                    digits.append(byte - 0x30)
                }
                if isBehind { exponent = exponent.subtracting(1) }
            }
        }
        guard !digits.isEmpty else { return 0 }
        var nanoseconds: Int64 = 0
        // What stands behind the nanoseconds is left out.
        let count = min(digits.count.adding(exponent), 20)
        guard count > 0 else { return 0 }
        for place in 0..<count {
            let (ten, isOver) = nanoseconds.multipliedReportingOverflow(by: 10)
            let (next, isOverToo) = ten.addingReportingOverflow(place < digits.count ? Int64(digits[place]) : 0)
            guard !isOver, !isOverToo else { throw Failure(reason: "has a \(name) that is too far") }
            nanoseconds = next
        }
        return isNegative ? -nanoseconds : nanoseconds
    }
}
