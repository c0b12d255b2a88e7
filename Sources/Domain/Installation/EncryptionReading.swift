/// Whether others can read what is said to the database, as the server sees a connection.
package struct EncryptionReading: Sendable, Equatable {
    /// Of TLS, such as `TLSv1.3`; nil without it.
    package var version: String?
    /// Whether the connection does not leave the server's machine.
    package var isLocal: Bool

    package init(version: String?, isLocal: Bool) {
        self.version = version
        self.isLocal = isLocal
    }

    /// - Parameter setting: what names the server.
    package func finding(of setting: String) -> InstallationFinding {
        if let version { return .init(.ok, "encryption", "\(setting): \(version)") }
        if self.isLocal { return .init(.ok, "encryption", "\(setting): none, on one machine") }
        return .init(
            .warn, "encryption",
            "\(setting): none, and the database is on another machine: payloads can be read on the way",
            hint: "sslmode=verify-full and sslrootcert=… in \(setting), and ssl = on at the server")
    }
}
