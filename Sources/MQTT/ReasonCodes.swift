/// The reason codes of MQTT 5 (section 3.2.2.2) and 3.1.1 that a broker gives when it refuses a connection.
func connectReason(_ code: Int32) -> String {
    switch code {
    case 1, 132: "the broker does not speak MQTT 5"
    case 4, 134: "the broker refused username or password"
    case 5, 135: "the broker does not let this client in"
    case 133: "the broker refused the client id"
    case 136, 137: "the broker is not available"
    default: "the broker refused the connection with code \(code)"
    }
}

/// Reason codes of a DISCONNECT (MQTT 5, section 3.14.2.1); below 128 they are libmosquitto's own.
func disconnectReason(_ code: Int32) -> String {
    switch code {
    case 139: "the broker is shutting down"
    case 141: "the broker heard nothing within the keepalive"
    case 142: "another client took over this client id"
    case 147: "the broker says the receive maximum was exceeded"
    case 149: "the broker says a packet was too large"
    case 152: "an administrator ended the connection"
    default: code < 128 ? errorText(code) : "the broker ended the connection with code \(code)"
    }
}
