/// Builds one array value element by element, for the columns of a bulk insert.
package struct ArrayParameter: Sendable {
    private static let countOffset = 12
    private let oid: UInt32
    /// The value so far, up to `end`, and room behind it.
    private var buffer: [UInt8]
    private var end = 0
    private var count: Int32 = 0

    /// `count` and `bytesPerElement` only reserve room.
    package init<Element: PostgresEncodable>(of type: Element.Type, count: Int, bytesPerElement: Int = 16) {
        self.oid = Element.postgresArrayOID
        self.buffer = [UInt8](repeating: 0, count: 20 + count * (4 + bytesPerElement))
        self.write(Int32(1))
        self.write(Int32(1))  // may hold nulls
        self.write(Int32(bitPattern: Element.postgresOID))
        self.write(Int32(0))
        self.write(Int32(1))
    }

    package mutating func append(_ element: some PostgresEncodable) {
        self.count += 1
        self.removeRoom()
        self.buffer.append(bigEndian: Int32(0))
        element.encode(into: &self.buffer)
        self.buffer.overwrite(at: self.end, bigEndian: Int32(self.buffer.count - self.end - 4))
        self.end = self.buffer.count
    }

    // The types that stand in every row: calls of the generic one from other modules would not be specialized.
    package mutating func append(_ value: Int64) {
        self.count += 1
        self.write(Int32(8))
        self.write(value)
    }

    package mutating func append(_ value: Int32) {
        self.count += 1
        self.write(Int32(4))
        self.write(value)
    }

    package mutating func append(_ value: Int16) {
        self.count += 1
        self.write(Int32(2))
        self.write(value)
    }

    /// Appends a UUID.
    package mutating func append(high: UInt64, low: UInt64) {
        self.count += 1
        self.write(Int32(16))
        self.write(high)
        self.write(low)
    }

    package mutating func append(_ text: String) {
        var text = text
        let isTaken = text.withUTF8 { bytes in
            // It is removed where the text is encoded.
            guard unsafe !bytes.contains(0) else { return false }
            unsafe self.append(UnsafeRawBufferPointer(bytes))
            return true
        }
        if !isTaken { self.append(encoding: text) }
    }

    /// Appends a value whose bytes are already in the binary form of the element's type, which is not text.
    package mutating func append(bytes: [UInt8]) {
        unsafe bytes.withUnsafeBytes { unsafe self.append($0) }
    }

    package mutating func appendNull() {
        self.count += 1
        self.write(Int32(-1))
    }

    /// The value. The column is not copied for it, unless something is appended afterwards.
    package var parameter: Parameter {
        mutating get {
            self.removeRoom()
            guard self.count > 0 else {
                // An empty array has no dimensions at all.
                var empty = Array(self.buffer.dropLast(8))
                empty.overwrite(at: 0, bigEndian: Int32(0))
                return Parameter(oid: self.oid, bytes: empty)
            }
            self.buffer.overwrite(at: Self.countOffset, bigEndian: self.count)
            return Parameter(oid: self.oid, bytes: self.buffer)
        }
    }

    private mutating func append(encoding text: some PostgresEncodable) { self.append(text) }

    private mutating func append(_ bytes: UnsafeRawBufferPointer) {
        self.count += 1
        self.write(Int32(bytes.count))
        let start = self.take(bytes.count)
        unsafe self.buffer.withUnsafeMutableBytes { buffer in
            unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[start..<start + bytes.count]).copyMemory(from: bytes)
        }
    }

    private mutating func write<Value: FixedWidthInteger & BitwiseCopyable>(_ value: Value) {
        let start = self.take(MemoryLayout<Value>.size)
        unsafe self.buffer.withUnsafeMutableBytes { buffer in
            unsafe buffer.storeBytes(of: value.bigEndian, toByteOffset: start, as: Value.self)
        }
    }

    /// - Returns: where there is room for so many bytes, which are the value's from now on.
    private mutating func take(_ bytes: Int) -> Int {
        let start = self.end
        self.end += bytes
        if self.end > self.buffer.count {
            self.buffer.append(contentsOf: repeatElement(0, count: max(bytes, self.buffer.count)))
        }
        return start
    }

    private mutating func removeRoom() {
        self.buffer.removeLast(self.buffer.count - self.end)
    }
}
