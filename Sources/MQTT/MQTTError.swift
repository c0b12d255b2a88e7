internal import Threads

/// Why the broker cannot be talked to.
package struct MQTTError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Kind: Sendable, Equatable {
        /// The network: no route, refused, timed out, TLS; or what a connection takes of this machine, as files for TLS that are
        /// being replaced.
        case connect
        /// The broker answered and said no; retrying will not help until somebody changes a setting.
        case refused
        /// The connection ended.
        case connectionLost
        /// The caller was told to stop waiting.
        case interrupted
        /// A setting that libmosquitto never takes, whenever it is asked.
        case configuration
    }

    package let kind: Kind
    package let message: String
    /// Whether the broker ended the connection because a packet was too large for it (MQTT 5, reason code 149).
    package var isPacketTooLarge = false
    /// Whether what answered, if anything did, may speak no MQTT 5: it said so, ended the connection, or was silent before it let
    /// us in.
    package var mayLackVersion = false
    /// Whether libmosquitto could not read what came: see ``Link/connectToReadBytes(for:)``.
    package var isUnreadable = false

    package init(kind: Kind, message: String) {
        self.kind = kind
        self.message = message
    }

    /// As if there were no way to the broker: it may be different later.
    init(_ error: ThreadError) {
        self.init(kind: .connect, message: error.description)
    }

    /// The same, where a connection was made and nobody let us in. A broker that does not know MQTT 5 ends it, or waits for more
    /// of a CONNECT that it reads in its own way.
    func beforeAnswer(withTLS: Bool) -> MQTTError {
        guard self.kind == .connect || self.kind == .connectionLost else { return self }
        let others = withTLS ? "WebSocket" : "TLS or WebSocket"
        let why = "the account perhaps, or a port for MQTT 3.1.1, \(others)"
        var error = MQTTError(
            kind: self.kind, message: "the broker did not let us in (\(self.message)), and gave no reason: \(why)")
        error.mayLackVersion = true
        return error
    }

    static let interrupted = MQTTError(kind: .interrupted, message: "the wait was ended")

    package var description: String { "MQTT \(self.kind): \(self.message)" }
}
