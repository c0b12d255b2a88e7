/// W3C Trace Context.
package enum TraceContext {
    /// The value if it is a `traceparent` (version 00 and the like, section 3.2), otherwise nil: it comes from a device
    /// and goes into a header.
    package static func checked(_ value: String?) -> String? {
        guard let value, value.utf8.count == 55 else { return nil }
        for (position, byte) in value.utf8.enumerated() {
            switch position {
            case 2, 35, 52: if byte != UInt8(ascii: "-") { return nil }
            default:
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): continue
                default: return nil
                }
            }
        }
        return value
    }
}
