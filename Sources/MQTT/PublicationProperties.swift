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
        /// In their order; a name may be there several times.
        package var user: [(name: String, value: String)] = []

        package init(correlationData: [UInt8] = []) {
            self.correlationData = correlationData
        }

        /// In bytes, beyond what an empty list takes; rather too many than too few.
        var size: Int {
            let texts = [self.contentType, self.responseTopic].compactMap { $0.map { $0.utf8.count + 3 } }
            let data = self.correlationData.isEmpty ? 0 : self.correlationData.count + 3
            let pairs = self.user.map { $0.name.utf8.count + $0.value.utf8.count + 5 }
            return (texts + pairs).reduce(data + (self.expiry == nil ? 0 : 5), +) + 3
        }

        /// What is empty is left out, or refused: libmosquitto 2.0 keeps a null pointer for it, and reads from there as it sends.
        ///
        /// - Parameter list: whoever gives it has to free what it points to afterwards, whatever became of it.
        /// - Returns: of `mosq_err_t` why one of them is none that may be sent; then the message is not to be sent without.
        @unsafe
        func add(to list: inout OpaquePointer?) -> Int32 {
            for (property, text) in [
                (MQTT_PROP_CONTENT_TYPE, self.contentType), (MQTT_PROP_RESPONSE_TOPIC, self.responseTopic),
            ] {
                guard let text, !text.isEmpty else { continue }
                let code = unsafe mosquitto_property_add_string(&list, Int32(property.rawValue), text)
                guard code == MOSQ_ERR_SUCCESS.rawValue else { return code }
            }
            if !self.correlationData.isEmpty {
                let code = unsafe self.correlationData.withUnsafeBytes { bytes in
                    unsafe mosquitto_property_add_binary(
                        &list, Int32(MQTT_PROP_CORRELATION_DATA.rawValue), bytes.baseAddress,
                        UInt16(clamping: bytes.count))
                }
                guard code == MOSQ_ERR_SUCCESS.rawValue else { return code }
            }
            if let expiry {
                let code = unsafe mosquitto_property_add_int32(
                    &list, Int32(MQTT_PROP_MESSAGE_EXPIRY_INTERVAL.rawValue), expiry)
                guard code == MOSQ_ERR_SUCCESS.rawValue else { return code }
            }
            for (name, value) in self.user {
                guard !name.isEmpty, !value.isEmpty else { return MOSQ_ERR_INVAL.rawValue }
                let code = unsafe mosquitto_property_add_string_pair(
                    &list, Int32(MQTT_PROP_USER_PROPERTY.rawValue), name, value)
                guard code == MOSQ_ERR_SUCCESS.rawValue else { return code }
            }
            return MOSQ_ERR_SUCCESS.rawValue
        }
    }
}
