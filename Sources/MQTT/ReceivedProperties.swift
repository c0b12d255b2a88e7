internal import CMosquitto
internal import Glibc

/// What a publish says of itself beside its payload (MQTT 5, section 3.3.2.3), as far as it is within bounds.
package final class ReceivedProperties: Sendable {
    package let contentType: String?
    package let responseTopic: String?
    package let correlationData: [UInt8]?
    /// For how long the message is of use from now on, in seconds.
    package let expiry: UInt32?
    /// In their order.
    package let user: [(name: String, value: String)]
    /// How many were over the bounds.
    package let leftOut: Int
    /// What it takes of memory, more or less.
    package let byteCount: Int

    /// User properties, and all their names and values, in bytes.
    package static let mostUser = 64
    package static let mostUserBytes = 8_192
    package static let longestType = 200
    package static let longestTopic = 2_048
    package static let longestCorrelation = 1_024

    init(_ found: PropertyReading) {
        self.contentType = found.contentType
        self.responseTopic = found.responseTopic
        self.correlationData = found.correlationData
        self.expiry = found.expiry
        self.user = found.user
        self.leftOut = found.leftOut
        self.byteCount =
            found.userBytes + (found.contentType?.utf8.count ?? 0) + (found.responseTopic?.utf8.count ?? 0)
            + (found.correlationData?.count ?? 0) + found.user.count * 32
    }
}

/// Properties as they are read one by one.
struct PropertyReading {
    var traceparent: String?
    var contentType: String?
    var responseTopic: String?
    var correlationData: [UInt8]?
    var expiry: UInt32?
    var user: [(name: String, value: String)] = []
    var userBytes = 0
    var leftOut = 0

    /// nil if there is nothing that is not known otherwise: a trace by itself has a place of its own.
    var properties: ReceivedProperties? {
        let isTraceAlone = self.user.count == 1 && self.traceparent != nil
        let hasUser = !self.user.isEmpty && !isTraceAlone
        guard
            hasUser || self.contentType != nil || self.responseTopic != nil || self.correlationData != nil
                || self.expiry != nil || self.leftOut > 0
        else { return nil }
        return ReceivedProperties(self)
    }

    init() {}

    /// - Parameter first: of a publish; nil if it has none.
    @unsafe
    init(_ first: OpaquePointer?) {
        var next = unsafe first
        while let property = unsafe next {
            unsafe self.read(property)
            unsafe next = mosquitto_property_next(property)
        }
    }

    // Identifiers of MQTT 5, section 2.2.2.2.
    static let user = Int32(MQTT_PROP_USER_PROPERTY.rawValue)
    static let contentType = Int32(MQTT_PROP_CONTENT_TYPE.rawValue)
    static let responseTopic = Int32(MQTT_PROP_RESPONSE_TOPIC.rawValue)
    static let correlationData = Int32(MQTT_PROP_CORRELATION_DATA.rawValue)
    static let expiry = Int32(MQTT_PROP_MESSAGE_EXPIRY_INTERVAL.rawValue)
    static let payloadFormat = Int32(MQTT_PROP_PAYLOAD_FORMAT_INDICATOR.rawValue)
    static let topicAlias = Int32(MQTT_PROP_TOPIC_ALIAS.rawValue)
    static let subscription = Int32(MQTT_PROP_SUBSCRIPTION_IDENTIFIER.rawValue)

    @unsafe
    private mutating func read(_ property: OpaquePointer) {
        switch unsafe mosquitto_property_identifier(property) {
        case Self.user: unsafe self.readUser(property)
        case Self.contentType:
            let type = unsafe text(of: property, Self.contentType)
            self.contentType = self.within(ReceivedProperties.longestType, type) { $0.utf8.count }
        case Self.responseTopic:
            let topic = unsafe text(of: property, Self.responseTopic)
            self.responseTopic = self.within(ReceivedProperties.longestTopic, topic) { $0.utf8.count }
        case Self.correlationData:
            let data = unsafe bytes(of: property, Self.correlationData)
            self.correlationData = self.within(ReceivedProperties.longestCorrelation, data) { $0.count }
        case Self.expiry:
            var seconds: UInt32 = 0
            let found = unsafe mosquitto_property_read_int32(property, Self.expiry, &seconds, false)
            if unsafe found != nil { self.expiry = seconds }
        default: break
        }
    }

    private mutating func within<Value>(_ most: Int, _ value: Value?, _ size: (Value) -> Int) -> Value? {
        guard let value, size(value) > most else { return value }
        self.leftOut += 1
        return nil
    }

    @unsafe
    private mutating func readUser(_ property: OpaquePointer) {
        var key: UnsafeMutablePointer<CChar>?
        var value: UnsafeMutablePointer<CChar>?
        defer {
            unsafe free(key)
            unsafe free(value)
        }
        _ = unsafe mosquitto_property_read_string_pair(property, Self.user, &key, &value, false)
        guard let key = unsafe key, let value = unsafe value else { return }
        unsafe self.take(String(cString: key), String(cString: value))
    }

    /// A user property, which is kept if there is room.
    mutating func take(_ name: String, _ value: String) {
        if name == "traceparent", self.traceparent == nil { self.traceparent = value }
        let bytes = name.utf8.count + value.utf8.count
        guard self.user.count < ReceivedProperties.mostUser,
            self.userBytes + bytes <= ReceivedProperties.mostUserBytes
        else {
            self.leftOut += 1
            return
        }
        self.user.append((name, value))
        self.userBytes += bytes
    }
}

@unsafe
func text(of property: OpaquePointer, _ identifier: Int32) -> String? {
    var value: UnsafeMutablePointer<CChar>?
    defer { unsafe free(value) }
    _ = unsafe mosquitto_property_read_string(property, identifier, &value, false)
    return unsafe value.map { unsafe String(cString: $0) }
}

@unsafe
private func bytes(of property: OpaquePointer, _ identifier: Int32) -> [UInt8]? {
    var value: UnsafeMutableRawPointer?
    var count: UInt16 = 0
    defer { unsafe free(value) }
    let found = unsafe mosquitto_property_read_binary(property, identifier, &value, &count, false)
    guard unsafe found != nil else { return nil }
    return unsafe [UInt8](UnsafeRawBufferPointer(start: value, count: value == nil ? 0 : Int(count)))
}
