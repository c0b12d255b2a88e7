internal import CMosquitto

/// What a broker says of itself when it lets a client in (MQTT 5, section 3.2.2.3). Where it says nothing, what the standard
/// takes for granted.
package struct BrokerCapabilities: Sendable, Equatable {
    package internal(set) var largestQoS = 2
    package internal(set) var keepsRetained = true
    package internal(set) var takesWildcards = true
    package internal(set) var takesShared = true
    package internal(set) var namesSubscriptions = true
    /// How many messages it takes before it has acknowledged one.
    package internal(set) var receiveMaximum = 65_535
    /// In bytes; nil if it names none.
    package internal(set) var largestPacket: Int?
    /// For how many seconds it keeps the session, if it is not as long as was asked.
    package internal(set) var sessionExpiry: Int?
    /// After how many seconds of silence it ends a connection, in place of what it was asked for; 0 is never.
    package internal(set) var keepalive: Int?

    init() {}

    @unsafe
    init(_ properties: OpaquePointer?) {
        func byte(_ property: mqtt5_property) -> UInt8? {
            var value: UInt8 = 0
            return unsafe mosquitto_property_read_byte(properties, Int32(property.rawValue), &value, false) == nil
                ? nil : value
        }
        func int32(_ property: mqtt5_property) -> Int? {
            var value: UInt32 = 0
            return unsafe mosquitto_property_read_int32(properties, Int32(property.rawValue), &value, false) == nil
                ? nil : Int(value)
        }
        func int16(_ property: mqtt5_property) -> Int? {
            var value: UInt16 = 0
            return unsafe mosquitto_property_read_int16(properties, Int32(property.rawValue), &value, false) == nil
                ? nil : Int(value)
        }
        self.receiveMaximum = int16(MQTT_PROP_RECEIVE_MAXIMUM) ?? 65_535
        self.largestQoS = byte(MQTT_PROP_MAXIMUM_QOS).map(Int.init) ?? 2
        self.keepsRetained = byte(MQTT_PROP_RETAIN_AVAILABLE) != 0
        self.takesWildcards = byte(MQTT_PROP_WILDCARD_SUB_AVAILABLE) != 0
        self.takesShared = byte(MQTT_PROP_SHARED_SUB_AVAILABLE) != 0
        self.namesSubscriptions = byte(MQTT_PROP_SUBSCRIPTION_ID_AVAILABLE) != 0
        self.largestPacket = int32(MQTT_PROP_MAXIMUM_PACKET_SIZE)
        self.sessionExpiry = int32(MQTT_PROP_SESSION_EXPIRY_INTERVAL)
        self.keepalive = int16(MQTT_PROP_SERVER_KEEP_ALIVE)
    }
}
