internal import CMosquitto
internal import Values

/// A filter that is subscribed to while messages come, and that the broker names in what it sends for it.
package struct NumberedFilter: Sendable {
    /// `$share/…` included.
    package let filter: String
    /// 1 to 268,435,455.
    package let number: Int32
    /// Whether messages that the broker has kept come when it is first subscribed to.
    package let retained: Bool

    package init(filter: String, number: Int32, retained: Bool) {
        self.filter = filter
        self.number = number
        self.retained = retained
    }
}

/// What was subscribed to.
struct AskedFilter {
    let filter: String
    /// nil for one that nothing works without.
    let numbered: NumberedFilter?
}

extension Inbox {
    /// - Parameter code: the QoS that is granted, or 128 and above why nothing is (MQTT 5, section 3.9.3).
    func noteAnswer(_ code: Int32, _ remark: BrokerRemark, to asked: AskedFilter) {
        if code >= 128 { return self.noteRefusal(of: asked.numbered, code: code, remark) }
        if code < 1 { self.unacknowledgedFilters.insert(ExactText(asked.filter)) }
    }

    /// - Parameter filter: nil if nothing works without it.
    func noteRefusal(of filter: NumberedFilter?, code: Int32, _ remark: BrokerRemark = .none) {
        guard let filter else {
            let filters = self.topicFilters.joined(separator: ", ")
            self.subscribeRefusal =
                "the broker refused the subscription to \(filters): \(subscribeReason(code))\(remark.text)"
            return
        }
        self.refusedFilters[ExactText(filter.filter)] = code
    }

    /// What the broker said of a filter that is asked for anew, or left.
    func forget(_ filter: String) {
        self.refusedFilters[ExactText(filter)] = nil
        self.unacknowledgedFilters.remove(ExactText(filter))
    }
}

extension Client {
    func subscribe(to filter: NumberedFilter, _ inbox: Inbox) {
        unsafe queueSubscription(self.pointer, to: filter.filter, filter, inbox)
    }

    func leave(_ filter: String, _ inbox: Inbox) {
        unsafe queueLeaving(self.pointer, filter, inbox)
    }

    /// Asks to leave what nobody subscribes to, which the broker has to answer.
    ///
    /// - Returns: whether it is queued.
    func ask() -> Bool {
        unsafe mosquitto_unsubscribe_v5(self.pointer, nil, "hookline/nothing", nil) == MOSQ_ERR_SUCCESS.rawValue
    }
}

/// - Parameter numbered: nil for a filter that nothing works without.
@unsafe
func queueSubscription(_ raw: OpaquePointer, to filter: String, _ numbered: NumberedFilter?, _ inbox: Inbox) {
    inbox.forget(filter)
    var properties: OpaquePointer?
    defer { unsafe mosquitto_property_free_all(&properties) }
    if let numbered, inbox.hasNumbers {
        unsafe mosquitto_property_add_varint(
            &properties, Int32(MQTT_PROP_SUBSCRIPTION_IDENTIFIER.rawValue), UInt32(numbered.number))
    }
    // Retained messages are old news to a webhook; only what is published from now on counts, unless somebody asks for them.
    let options =
        numbered?.retained == true ? MQTT_SUB_OPT_SEND_RETAIN_NEW.rawValue : MQTT_SUB_OPT_SEND_RETAIN_NEVER.rawValue
    var id: Int32 = 0
    let code = unsafe mosquitto_subscribe_v5(raw, &id, filter, 1, Int32(options), properties)
    if code == MOSQ_ERR_SUCCESS.rawValue {
        inbox.subscribing[id] = AskedFilter(filter: filter, numbered: numbered)
    } else {
        inbox.noteRefusal(of: numbered, code: code)
    }
}

@unsafe
func queueLeaving(_ raw: OpaquePointer, _ filter: String, _ inbox: Inbox) {
    inbox.forget(filter)
    var id: Int32 = 0
    guard unsafe mosquitto_unsubscribe_v5(raw, &id, filter, nil) == MOSQ_ERR_SUCCESS.rawValue else { return }
    inbox.leaving.insert(id)
}

/// Whether the broker takes subscriptions with numbers: it does unless it says otherwise (MQTT 5, section 3.2.2.3.12).
@unsafe
func namesSubscriptions(_ properties: OpaquePointer?) -> Bool {
    var value: UInt8 = 1
    let found = unsafe mosquitto_property_read_byte(
        properties, Int32(MQTT_PROP_SUBSCRIPTION_ID_AVAILABLE.rawValue), &value, false)
    return unsafe found == nil || value != 0
}

/// The numbers of the subscriptions that a message is sent for.
@unsafe
func numbers(in properties: OpaquePointer?) -> [Int32] {
    var numbers: [Int32] = []
    var next = unsafe properties
    while let property = unsafe next {
        if unsafe mosquitto_property_identifier(property) == Int32(MQTT_PROP_SUBSCRIPTION_IDENTIFIER.rawValue) {
            var value: UInt32 = 0
            _ = unsafe mosquitto_property_read_varint(
                property, Int32(MQTT_PROP_SUBSCRIPTION_IDENTIFIER.rawValue), &value, false)
            numbers.append(Int32(clamping: value))
        }
        unsafe next = mosquitto_property_next(property)
    }
    return numbers
}
