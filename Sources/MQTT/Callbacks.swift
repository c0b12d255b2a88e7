internal import CMosquitto
internal import Glibc

extension Client {
    /// The callbacks run on the session's thread, inside `mosquitto_loop_read`. What C hands them dies when they
    /// return, so topic and payload are copied.
    @unsafe
    static func setCallbacks(_ raw: OpaquePointer) {
        unsafe mosquitto_connect_v5_callback_set(raw) { raw, inbox, code, flags, properties in
            guard let inbox = unsafe inbox.map(Inbox.borrowed), let raw = unsafe raw else { return }
            inbox.connectCode = code
            inbox.isResumed = flags & 1 == 1
            inbox.remark = code == 0 ? .none : unsafe BrokerRemark(properties)
            guard code == 0 else { return }
            inbox.limits.setLargestPacket(unsafe largestPacket(in: properties))
            inbox.capabilities = unsafe BrokerCapabilities(properties)
            inbox.limits.setKeepalive(inbox.capabilities.keepalive)
            inbox.hasNumbers = unsafe inbox.mayNumber && namesSubscriptions(properties)
            inbox.largestQoS = Int32(clamping: inbox.capabilities.largestQoS)
            for filter in inbox.topicFilters { unsafe queueSubscription(raw, to: filter, nil, inbox) }
            for filter in inbox.numberedFilters { unsafe queueSubscription(raw, to: filter.filter, filter, inbox) }
            // After that, for what is published in between has to come to one of them.
            for filter in inbox.formerFilters { unsafe queueLeaving(raw, filter, inbox) }
        }
        unsafe mosquitto_subscribe_v5_callback_set(raw) { _, inbox, id, count, granted, properties in
            guard let inbox = unsafe inbox.map(Inbox.borrowed), let granted = unsafe granted,
                let asked = inbox.subscribing.removeValue(forKey: id)
            else { return }
            let remark = unsafe BrokerRemark(properties)
            for index in 0..<Int(count) { unsafe inbox.noteAnswer(granted[index], remark, to: asked) }
        }
        unsafe mosquitto_unsubscribe_v5_callback_set(raw) { _, inbox, id, _ in
            guard let inbox = unsafe inbox.map(Inbox.borrowed) else { return }
            inbox.leaving.remove(id)
        }
        unsafe mosquitto_publish_v5_callback_set(raw) { _, inbox, id, code, _ in
            guard let inbox = unsafe inbox.map(Inbox.borrowed) else { return }
            inbox.published[id] = code
        }
        unsafe mosquitto_disconnect_v5_callback_set(raw) { _, inbox, code, properties in
            guard let inbox = unsafe inbox.map(Inbox.borrowed), code != 0 else { return }
            inbox.disconnectCode = code
            // It is also called behind a CONNACK that refuses, whose remark stays, and then has none.
            if let properties = unsafe properties { inbox.remark = unsafe BrokerRemark(properties) }
        }
        unsafe mosquitto_message_v5_callback_set(raw) { _, inbox, message, properties in
            guard let inbox = unsafe inbox.map(Inbox.borrowed), let message = unsafe message?.pointee else { return }
            let found = unsafe PropertyReading(properties)
            let received = unsafe ReceivedMessage(
                topic: String(cString: message.topic),
                payload: [UInt8](UnsafeRawBufferPointer(start: message.payload, count: Int(message.payloadlen))),
                traceparent: found.traceparent, subscriptions: numbers(in: properties), isRetained: message.retain,
                qos: UInt8(clamping: message.qos), properties: found.properties)
            inbox.batch.append(received)
        }
    }
}

extension Inbox {
    fileprivate static func borrowed(_ pointer: UnsafeMutableRawPointer) -> Inbox {
        unsafe Unmanaged<Inbox>.fromOpaque(pointer).takeUnretainedValue()
    }
}

/// What the broker says of the packets it takes (MQTT 5, section 3.2.2.3.6).
private func largestPacket(in properties: OpaquePointer?) -> Int? {
    var value: UInt32 = 0
    let found = unsafe mosquitto_property_read_int32(
        properties, Int32(MQTT_PROP_MAXIMUM_PACKET_SIZE.rawValue), &value, false)
    return unsafe found == nil ? nil : Int(value)
}
