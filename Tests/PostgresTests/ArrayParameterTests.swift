import Testing

@testable import Postgres

@Suite("A column of values")
struct ArrayParameterTests {
    /// As `array_recv` of the server wants it, put together without any room to spare.
    private func layout(_ oid: UInt32, _ elements: [[UInt8]?]) -> [UInt8] {
        var bytes: [UInt8] = []
        for number in [elements.isEmpty ? 0 : 1, 1, Int32(bitPattern: oid)] { bytes.append(bigEndian: number) }
        if !elements.isEmpty { for number in [Int32(elements.count), 1] { bytes.append(bigEndian: number) } }
        for element in elements {
            bytes.append(bigEndian: Int32(element?.count ?? -1))
            bytes += element ?? []
        }
        return bytes
    }

    @Test("is the same whatever room was reserved", arguments: [0, 1, 3, 1_000], [0, 1, 64])
    func room(count: Int, bytesPerElement: Int) {
        let texts = ["", "a", "Ünïcode", String(repeating: "long ", count: 100), "zero\0in it"]
        var column = ArrayParameter(of: String.self, count: count, bytesPerElement: bytesPerElement)
        #expect(column.parameter.bytes == self.layout(25, []))
        for text in texts {
            column.append(text)
            column.appendNull()
        }
        let elements = texts.flatMap { [Array($0.utf8.filter { $0 != 0 }), nil] }
        #expect(column.parameter.bytes == self.layout(25, elements))
        column.append("behind what was read")
        #expect(column.parameter.bytes == self.layout(25, elements + [Array("behind what was read".utf8)]))
    }

    @Test("holds numbers, bytes and UUIDs in network byte order")
    func types() {
        var numbers = ArrayParameter(of: Int64.self, count: 1)
        numbers.append(Int64.min)
        numbers.append(0x0102_0304_0506_0708 as Int64)
        #expect(
            numbers.parameter.bytes
                == self.layout(20, [[0x80, 0, 0, 0, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6, 7, 8]]))
        var payloads = ArrayParameter(of: Bytes.self, count: 1)
        payloads.append(bytes: [0, 255])
        payloads.append(bytes: [])
        payloads.append(Bytes([7]))
        payloads.append(bytes: [8])
        #expect(payloads.parameter.bytes == self.layout(17, [[0, 255], [], [7], [8]]))
        var ids = ArrayParameter(of: Bytes.self, count: 0)
        ids.append(high: 1, low: 0xFF00_0000_0000_0000)
        #expect(ids.parameter.bytes == self.layout(17, [[0, 0, 0, 0, 0, 0, 0, 1, 0xFF, 0, 0, 0, 0, 0, 0, 0]]))
        #expect(
            Parameter.array([1, -1] as [Int64]).bytes
                == self.layout(20, [[0, 0, 0, 0, 0, 0, 0, 1], [UInt8](repeating: 255, count: 8)]))
    }
}
