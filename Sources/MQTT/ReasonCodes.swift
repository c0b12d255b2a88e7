/// The reason codes of MQTT 5 (section 3.2.2.2) and 3.1.1 that a broker gives when it refuses a connection.
func connectReason(_ code: Int32) -> String {
    switch code {
    case 1, 132: "the broker does not speak MQTT 5"
    case 4, 134: "the broker refused username or password"
    case 5, 135: "the broker does not let this client in"
    case 2, 133: "the broker refused the client id"
    case 3, 136, 137: "the broker is not available"
    case 138: "the broker has banned this client"
    case 149: "what Hookline says to connect is too large for the broker"
    case 151: "a quota at the broker is used up"
    case 156: "another broker is to be used for now"
    case 157: "the broker has moved"
    case 159: "the broker takes no more connections for now"
    default: "the broker refused the connection with code \(code)"
    }
}

extension MQTTError {
    /// - Parameters:
    ///   - code: of CONNACK.
    ///   - remark: what the broker says beside it.
    static func refused(_ code: Int32, _ remark: BrokerRemark) -> MQTTError {
        var error = MQTTError(kind: .refused, message: connectReason(code) + remark.text)
        error.mayLackVersion = code == 1 || code == 132
        return error
    }
}

/// Reason codes of a SUBACK (MQTT 5, section 3.9.3); below 128 they are libmosquitto's own.
func subscribeReason(_ code: Int32) -> String {
    switch code {
    case 135: "this account may not read there (reason code 135)"
    case 143: "the broker does not take this filter (reason code 143)"
    case 151: "a quota at the broker is used up (reason code 151)"
    case 158: "the broker has no shared subscriptions (reason code 158)"
    case 161: "the broker does not name subscriptions (reason code 161)"
    case 162: "the broker takes no wildcards (reason code 162)"
    default: code < 128 ? errorText(code) : "reason code \(code)"
    }
}

/// Reason codes of a DISCONNECT (MQTT 5, section 3.14.2.1); below 128 they are libmosquitto's own.
func disconnectReason(_ code: Int32) -> String {
    switch code {
    case 19: "nothing was heard within the keepalive"
    case 135: "this account may not do that, or not any more"
    case 137: "the broker is too busy"
    case 139: "the broker is shutting down"
    case 141: "the broker heard nothing within the keepalive"
    case 142: "another client took over this client id"
    case 147: "the broker says the receive maximum was exceeded"
    case 149: "the broker says a packet was too large"
    case 151: "a quota at the broker is used up"
    case 152: "an administrator ended the connection"
    case 156: "another broker is to be used for now"
    case 157: "the broker has moved"
    case 160: "a connection lasts no longer at this broker"
    default: code < 128 ? errorText(code) : "the broker ended the connection with code \(code)"
    }
}
