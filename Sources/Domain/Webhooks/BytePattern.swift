/// Bytes to be found in others by looking at each of those at most twice, whatever both are (Knuth, Morris and Pratt).
struct BytePattern: Sendable {
    private let bytes: [UInt8]
    /// For each beginning of the pattern, how much of its end is another beginning.
    private let overlaps: [Int]

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        var overlaps = [Int](repeating: 0, count: bytes.count)
        var length = 0
        for index in bytes.indices.dropFirst() {
            while length > 0, bytes[index] != bytes[length] { length = overlaps[length - 1] }
            if bytes[index] == bytes[length] { length += 1 }
            overlaps[index] = length
        }
        self.overlaps = overlaps
    }

    func isFound(in text: [UInt8]) -> Bool {
        guard !self.bytes.isEmpty else { return true }
        var length = 0
        for byte in text {
            while length > 0, byte != self.bytes[length] { length = self.overlaps[length - 1] }
            if byte == self.bytes[length] { length += 1 }
            if length == self.bytes.count { return true }
        }
        return false
    }
}
