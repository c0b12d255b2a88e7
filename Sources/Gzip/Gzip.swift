internal import CZlib

/// zlib in Swift: bytes in the form of gzip (RFC 1952), and out of it.
package enum Gzip {
    /// As fast as there is: who asks sends for others too, and JSON gets most of what there is to gain.
    private static let level: CInt = 1
    /// zlib's way of asking for gzip's head and checksum.
    static let gzipForm: CInt = 16
    static let largestWindow: CInt = 15

    /// - Returns: nil if it would not be smaller.
    package static func compress(_ bytes: [UInt8]) -> [UInt8]? {
        // gzip's own head and end alone take eighteen.
        guard bytes.count > 18, bytes.count <= Int(UInt32.max) else { return nil }
        var stream = unsafe z_stream()
        // A small body needs no large window to be cleared first.
        let window = max(9, min(Self.largestWindow, CInt(UInt32.bitWidth - UInt32(bytes.count).leadingZeroBitCount)))
        guard unsafe hookline_deflate_start(&stream, Self.level, window + Self.gzipForm) == Z_OK else { return nil }
        defer { unsafe _ = deflateEnd(&stream) }
        // Where it does not fit it is of no use.
        var (count, isComplete) = (0, false)
        let compressed = unsafe [UInt8](unsafeUninitializedCapacity: bytes.count - 1) { output, used in
            unsafe bytes.withUnsafeBufferPointer { input in
                // zlib only reads it, but says otherwise.
                unsafe stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
                unsafe stream.avail_in = UInt32(input.count)
                unsafe stream.next_out = output.baseAddress
                unsafe stream.avail_out = UInt32(output.count)
                isComplete = unsafe deflate(&stream, Z_FINISH) == Z_STREAM_END
                count = unsafe output.count - Int(stream.avail_out)
            }
            used = count
        }
        return isComplete ? compressed : nil
    }
}
