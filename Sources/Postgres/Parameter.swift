/// One value on its way to the server, in PostgreSQL's binary format (network byte order).
package struct Parameter: Sendable {
    /// The type's object id (`pg_type.oid`); 0 lets the server infer it.
    let oid: UInt32
    /// nil is SQL's NULL.
    let bytes: [UInt8]?

    static let null = Parameter(oid: 0, bytes: nil)
}

/// A type that can be bound to a query.
package protocol PostgresEncodable: Sendable {
    /// `pg_type.oid` of the element and of an array of it.
    static var postgresOID: UInt32 { get }
    static var postgresArrayOID: UInt32 { get }
    /// Appends the value's binary form, without its length.
    func encode(into buffer: inout [UInt8])
}

extension PostgresEncodable {
    package var postgresParameter: Parameter {
        var buffer: [UInt8] = []
        self.encode(into: &buffer)
        return Parameter(oid: Self.postgresOID, bytes: buffer)
    }
}

extension Parameter {
    // The type that stands in lists of messages: calls of the generic one from other modules would not be specialized.
    package static func array(_ elements: [Int64]) -> Parameter {
        var builder = ArrayParameter(of: Int64.self, count: elements.count, bytesPerElement: 8)
        for element in elements { builder.append(element) }
        return builder.parameter
    }

    /// A one-dimensional array. Layout: dimensions, has-nulls, element oid, then (length, lower bound), then each
    /// element behind its length (`array_recv` in the server's source).
    package static func array<Element: PostgresEncodable>(_ elements: some Collection<Element>) -> Parameter {
        var builder = ArrayParameter(of: Element.self, count: elements.count)
        for element in elements { builder.append(element) }
        return builder.parameter
    }

    package static func array<Element: PostgresEncodable>(_ elements: some Collection<Element?>) -> Parameter {
        var builder = ArrayParameter(of: Element.self, count: elements.count)
        for element in elements {
            if let element { builder.append(element) } else { builder.appendNull() }
        }
        return builder.parameter
    }
}

extension [UInt8] {
    // One each instead of a generic one: calls from other modules would not be specialized.
    package mutating func append(bigEndian value: Int16) { self.append(rawBytesOf: value.bigEndian) }
    package mutating func append(bigEndian value: Int32) { self.append(rawBytesOf: value.bigEndian) }
    package mutating func append(bigEndian value: UInt32) { self.append(rawBytesOf: value.bigEndian) }
    package mutating func append(bigEndian value: Int64) { self.append(rawBytesOf: value.bigEndian) }
    package mutating func append(bigEndian value: UInt64) { self.append(rawBytesOf: value.bigEndian) }

    @inline(__always)
    private mutating func append(rawBytesOf value: some BitwiseCopyable) {
        unsafe Swift.withUnsafeBytes(of: value) { unsafe self.append(contentsOf: $0) }
    }

    mutating func overwrite(at offset: Int, bigEndian value: Int32) {
        let bits = UInt32(bitPattern: value)
        self[offset] = UInt8(truncatingIfNeeded: bits >> 24)
        self[offset + 1] = UInt8(truncatingIfNeeded: bits >> 16)
        self[offset + 2] = UInt8(truncatingIfNeeded: bits >> 8)
        self[offset + 3] = UInt8(truncatingIfNeeded: bits)
    }
}

// MARK: The types in use

extension Bool: PostgresEncodable {
    package static var postgresOID: UInt32 { 16 }
    package static var postgresArrayOID: UInt32 { 1000 }
    package func encode(into buffer: inout [UInt8]) { buffer.append(self ? 1 : 0) }
}

extension Int16: PostgresEncodable {
    package static var postgresOID: UInt32 { 21 }
    package static var postgresArrayOID: UInt32 { 1005 }
    package func encode(into buffer: inout [UInt8]) { buffer.append(bigEndian: self) }
}

extension Int32: PostgresEncodable {
    package static var postgresOID: UInt32 { 23 }
    package static var postgresArrayOID: UInt32 { 1007 }
    package func encode(into buffer: inout [UInt8]) { buffer.append(bigEndian: self) }
}

extension Int64: PostgresEncodable {
    package static var postgresOID: UInt32 { 20 }
    package static var postgresArrayOID: UInt32 { 1016 }
    package func encode(into buffer: inout [UInt8]) { buffer.append(bigEndian: self) }
}

/// `text`, without U+0000, which it cannot hold.
extension String: PostgresEncodable {
    package static var postgresOID: UInt32 { 25 }
    package static var postgresArrayOID: UInt32 { 1009 }
    package func encode(into buffer: inout [UInt8]) {
        let start = buffer.count
        buffer.append(contentsOf: self.utf8)
        buffer.removeZeroBytes(from: start)
    }
}

/// Bytes as `bytea`.
package struct Bytes: PostgresEncodable {
    package let bytes: [UInt8]
    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    package static var postgresOID: UInt32 { 17 }
    package static var postgresArrayOID: UInt32 { 1001 }
    package func encode(into buffer: inout [UInt8]) { buffer.append(contentsOf: self.bytes) }
}

/// JSON text as `jsonb`, without U+0000, which that cannot hold either; the leading byte is the version of its binary
/// form.
package struct JSONText: PostgresEncodable {
    package let text: String
    package init(_ text: String) { self.text = text }

    package static var postgresOID: UInt32 { 3802 }
    package static var postgresArrayOID: UInt32 { 3807 }
    package func encode(into buffer: inout [UInt8]) {
        buffer.append(1)
        let start = buffer.count
        buffer.append(contentsOf: self.text.utf8)
        buffer.removeZeroBytes(from: start)
        buffer.settleEscapes(from: start)
    }
}
