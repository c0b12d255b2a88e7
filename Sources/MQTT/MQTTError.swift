/// Why the broker cannot be talked to.
package struct MQTTError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Kind: Sendable, Equatable {
        /// The network: no route, refused, timed out, TLS.
        case connect
        /// The broker answered and said no; retrying will not help until somebody changes a setting.
        case refused
        /// The connection ended.
        case connectionLost
        /// A setting that libmosquitto does not take, such as an unreadable certificate file.
        case configuration
    }

    package let kind: Kind
    package let message: String

    package var description: String { "MQTT \(self.kind): \(self.message)" }
}
