internal import Threads

/// Why the broker cannot be talked to.
package struct MQTTError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Kind: Sendable, Equatable {
        /// The network: no route, refused, timed out, TLS.
        case connect
        /// The broker answered and said no; retrying will not help until somebody changes a setting.
        case refused
        /// The connection ended.
        case connectionLost
        /// The caller was told to stop waiting.
        case interrupted
        /// A setting that libmosquitto does not take, such as an unreadable certificate file.
        case configuration
    }

    package let kind: Kind
    package let message: String
    /// Whether the broker ended the connection because a packet was too large for it (MQTT 5, reason code 149).
    package var isPacketTooLarge = false

    package init(kind: Kind, message: String) {
        self.kind = kind
        self.message = message
    }

    /// As if there were no way to the broker: it may be different later.
    init(_ error: ThreadError) {
        self.init(kind: .connect, message: error.description)
    }

    static let interrupted = MQTTError(kind: .interrupted, message: "the wait was ended")

    package var description: String { "MQTT \(self.kind): \(self.message)" }
}
