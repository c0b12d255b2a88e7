internal import Glibc

/// What reads bytes of others, with what has to be true of it whatever they are. What is not true ends the process, as what
/// traps does.
struct Reader: Sendable {
    let name: String
    /// Nobody gives it more bytes.
    private let longest: Int
    private let check: @Sendable ([UInt8]) -> Void

    init(_ name: String, longest: Int = 128 * 1024, _ check: @escaping @Sendable ([UInt8]) -> Void) {
        self.name = name
        self.longest = longest
        self.check = check
    }

    static let all: [Reader] = [
        .json, .index, .number, .conditions, .schema, .template, .request, .signature, .source, .response, .retryAfter,
        .url, .topic, .rules, .ids, .times, .encodings, .keys, .body, .events, .cursor,
        .pattern, .certificate, .table, .cbor, .msgpack, .senml, .sparkplug, .text, .csv, .protobuf,
        .declaration, .reached,
    ]

    /// Named by the environment, because all arguments are libFuzzer's.
    static let chosen: Reader? = {
        let name = getenv("READER").map { String(cString: $0) }
        return Self.all.first { $0.name == name }
    }()

    func run(_ bytes: [UInt8]) {
        self.check(bytes)
        // Now and then at length: what costs more than its length comes to nothing within libFuzzer's time limit.
        if bytes.reduce(0, &+) & 0x7F == 0 { self.check(self.lengthened(bytes)) }
    }

    /// The same with its middle again and again.
    private func lengthened(_ bytes: [UInt8]) -> [UInt8] {
        let third = bytes.count / 3
        let middle = bytes[third..<bytes.count - third]
        guard !middle.isEmpty else { return bytes }
        let times = max(1, self.longest / middle.count)
        return bytes[..<third] + Array(repeatElement(middle, count: times).joined()) + bytes[(bytes.count - third)...]
    }
}

func expect(_ isTrue: Bool, _ what: @autoclosure () -> String) {
    if !isTrue { fatalError("not true: \(what())") }
}

/// What a reader is given, taken apart: some lines first, and the rest as it is.
struct Input {
    private(set) var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) {
        self.rest = bytes[...]
    }

    var bytes: [UInt8] { Array(self.rest) }
    var text: String { String(decoding: self.rest, as: UTF8.self) }

    mutating func line() -> String {
        let line = self.rest.prefix { $0 != 0x0A }
        self.rest = self.rest[line.endIndex...].dropFirst()
        return String(decoding: line, as: UTF8.self)
    }

    /// One of several, by the first byte there is.
    mutating func choice<Value>(of values: [Value]) -> Value {
        values[Int(self.rest.popFirst() ?? 0) % values.count]
    }
}
