internal import CMosquitto

/// What a broker says beside a reason code: where else to go, and in its own words why (MQTT 5, sections 3.2.2.3.9 and 3.2.2.3.16).
/// It alone knows what it is that its operator has to change.
struct BrokerRemark {
    /// Behind what the code means; empty if it says nothing.
    let text: String

    /// In characters as Unicode counts them. It is libmosquitto that takes no control characters.
    private static let longest = 200

    static let none = BrokerRemark(text: "")

    private init(text: String) { self.text = text }

    /// - Parameter properties: of CONNACK, SUBACK or DISCONNECT; nil if there are none.
    @unsafe
    init(_ properties: OpaquePointer?) {
        func said(_ property: mqtt5_property) -> String? {
            guard let properties = unsafe properties else { return nil }
            let text = unsafe MQTT.text(of: properties, Int32(property.rawValue))?.unicodeScalars ?? "".unicodeScalars
            guard !text.isEmpty else { return nil }
            return String(String.UnicodeScalarView(text.prefix(Self.longest))) + (text.count > Self.longest ? "…" : "")
        }
        let place = said(MQTT_PROP_SERVER_REFERENCE).map { ", and names \($0)" }
        let why = said(MQTT_PROP_REASON_STRING).map { " (it says: \($0))" }
        self.text = (place ?? "") + (why ?? "")
    }
}
