#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// Standard base64 (RFC 4648, section 4).
package enum Base64 {
    package static func encode(_ bytes: some Sequence<UInt8>) -> String {
        Data(bytes).base64EncodedString()
    }

    /// The padding may be missing; anything else that is not base64 answers nil.
    package static func decode(_ text: some StringProtocol) -> [UInt8]? {
        let bare = String(text.prefix { $0 != "=" })
        return Data(base64Encoded: bare + String(repeating: "=", count: (4 - bare.utf8.count % 4) % 4)).map(Array.init)
    }
}
