internal import Gzip

/// Getting at a body that is packed. Nothing is asked for packed, but who is asked for nothing may choose (RFC 9110, section
/// 12.5.3), and what stands before a receiver often packs all that it answers.
enum BodyCoding {
    /// The body as it was before it was packed, as far as it is kept.
    ///
    /// - Parameters:
    ///   - body: at most ``ResponseParser/kept(of:coding:)`` of what was sent.
    ///   - coding: in lower case, as the head has it.
    ///   - most: how much of it is kept.
    /// - Returns: and whether it ends before its end; nil if there is no getting at it: it is packed in a way that is not known
    ///   here, or is not what it says.
    static func unpacked(_ body: [UInt8], from coding: String, most: Int) -> (bytes: [UInt8], isCutShort: Bool)? {
        let form: Gzip.Form
        switch coding {
        case "gzip", "x-gzip": form = .gzip
        case "deflate": form = .deflate
        default: return nil
        }
        guard let unpacked = Gzip.unpack(body, from: form, most: most) else { return nil }
        // Less is kept of it than was sent, and less comes out of that than is wanted: nobody could tell that it is not all.
        if unpacked.isCutShort, body.count >= ResponseParser.kept(of: most, coding: coding) { return nil }
        return (unpacked.bytes, unpacked.isCutShort)
    }
}
