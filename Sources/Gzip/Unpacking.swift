internal import CZlib

/// What others have packed comes out in bounded memory, however much it would come to: no more is unpacked than is asked for.
extension Gzip {
    package enum Form: Sendable {
        case gzip
        /// What HTTP calls deflate (RFC 9110, section 8.4.1.2): zlib's form (RFC 1950), or what is in it alone (RFC 1951), as many send it.
        case deflate

        fileprivate var windows: [CInt] {
            switch self {
            case .gzip: [Gzip.largestWindow + Gzip.gzipForm]
            case .deflate: [Gzip.largestWindow, -Gzip.largestWindow]
            }
        }
    }

    /// What came out.
    package struct Unpacked: Sendable, Equatable {
        package let bytes: [UInt8]
        /// Whether the packed bytes came to their end before what is in them did.
        package let isCutShort: Bool
    }

    /// The beginning of what is packed.
    ///
    /// - Parameter most: how many bytes of it.
    /// - Returns: nil if they are not in this form.
    package static func unpack(_ bytes: [UInt8], from form: Form, most: Int) -> Unpacked? {
        guard !bytes.isEmpty, bytes.count <= Int(UInt32.max), (1...Int(UInt32.max)).contains(most) else { return nil }
        for window in form.windows {
            if let unpacked = Self.unpack(bytes, window: window, most: most) { return unpacked }
        }
        return nil
    }

    private static func unpack(_ bytes: [UInt8], window: CInt, most: Int) -> Unpacked? {
        var stream = unsafe z_stream()
        guard unsafe hookline_inflate_start(&stream, window) == Z_OK else { return nil }
        defer { unsafe _ = inflateEnd(&stream) }
        var code = Z_OK
        // Apart, so that little that came out does not keep the room for all that might have.
        let unpacked = unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: most) { output in
            unsafe bytes.withUnsafeBufferPointer { input in
                // zlib only reads it, but says otherwise.
                unsafe stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
                unsafe stream.avail_in = UInt32(input.count)
                unsafe stream.next_out = output.baseAddress
                unsafe stream.avail_out = UInt32(most)
                code = unsafe inflate(&stream, Z_SYNC_FLUSH)
                while code == Z_STREAM_END, window > Self.largestWindow, unsafe Self.goesOn(&stream) {
                    code = unsafe inflate(&stream, Z_SYNC_FLUSH)
                }
            }
            return unsafe Array(output.prefix(most - Int(stream.avail_out)))
        }
        switch code {
        case Z_STREAM_END: return Unpacked(bytes: unpacked, isCutShort: false)
        // All of the input was used, or all of the room.
        case Z_OK, Z_BUF_ERROR: return Unpacked(bytes: unpacked, isCutShort: unpacked.count < most)
        default: return nil
        }
    }

    /// Whether more gzip stands behind what has come to its end (RFC 1952, section 2.2), and there is room for what is in it.
    private static func goesOn(_ stream: inout z_stream) -> Bool {
        guard unsafe stream.avail_in > 0, unsafe stream.avail_out > 0, unsafe stream.next_in.pointee == 0x1F else {
            return false
        }
        return unsafe inflateReset(&stream) == Z_OK
    }
}
