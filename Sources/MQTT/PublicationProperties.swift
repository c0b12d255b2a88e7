internal import CMosquitto

extension Publication {
    /// What goes along with a message (MQTT 5, section 3.3.2.3). Clients of MQTT 3.1.1 get the message without.
    package struct Properties: Sendable {
        package var contentType: String?
        /// Where an answer is awaited…
        package var responseTopic: String?
        /// …and what comes with it, so that it is known for what.
        package var correlationData: [UInt8] = []
        /// After how long the broker forgets the message, in seconds.
        package var expiry: UInt32?

        package init(correlationData: [UInt8] = []) {
            self.correlationData = correlationData
        }

        /// In bytes, beyond what an empty list takes; rather too many than too few.
        var size: Int {
            let texts = [self.contentType, self.responseTopic].compactMap { $0.map { $0.utf8.count + 3 } }
            let data = self.correlationData.isEmpty ? 0 : self.correlationData.count + 3
            return texts.reduce(data + (self.expiry == nil ? 0 : 5), +) + 3
        }

        /// Whoever takes it has to free it. What is empty is left out: libmosquitto 2.0 keeps a null pointer for it, and reads from
        /// there as it sends.
        @unsafe
        func makeList() -> OpaquePointer? {
            var list: OpaquePointer?
            if let contentType, !contentType.isEmpty {
                unsafe mosquitto_property_add_string(&list, Int32(MQTT_PROP_CONTENT_TYPE.rawValue), contentType)
            }
            if let responseTopic, !responseTopic.isEmpty {
                unsafe mosquitto_property_add_string(&list, Int32(MQTT_PROP_RESPONSE_TOPIC.rawValue), responseTopic)
            }
            if !self.correlationData.isEmpty {
                unsafe self.correlationData.withUnsafeBytes { bytes in
                    _ = unsafe mosquitto_property_add_binary(
                        &list, Int32(MQTT_PROP_CORRELATION_DATA.rawValue), bytes.baseAddress,
                        UInt16(clamping: bytes.count))
                }
            }
            if let expiry {
                unsafe mosquitto_property_add_int32(&list, Int32(MQTT_PROP_MESSAGE_EXPIRY_INTERVAL.rawValue), expiry)
            }
            return unsafe list
        }
    }
}
