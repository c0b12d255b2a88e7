package import Values

/// What the machine gives an instance, and what its settings make of it.
package struct HostReading: Sendable, Equatable {
    /// How many files and connections may be open.
    package var descriptors: Int
    /// Those kept for the database, the broker and files, and those that callers of the API may have.
    package var reserved: Int
    package var apiConnections: Int
    /// All connections to receivers, and those that one webhook may have.
    package var receiverConnections: Int
    package var webhookConnections: Int
    /// In bytes; nil if the control group sets none.
    package var memory: Int64?
    package var now: Instant

    package init(
        descriptors: Int, reserved: Int, apiConnections: Int, receiverConnections: Int, webhookConnections: Int,
        memory: Int64?, now: Instant
    ) {
        self.descriptors = descriptors
        self.reserved = reserved
        self.apiConnections = apiConnections
        self.receiverConnections = receiverConnections
        self.webhookConnections = webhookConnections
        self.memory = memory
        self.now = now
    }

    /// What is enough up to 100,000 things (docs/operations.md, Sizing), in bytes.
    private static let enoughMemory: Int64 = 128 * 1_000_000
    /// 2026-01-01: no build is older.
    private static let earliest = Instant(clampingSeconds: 1_767_225_600)

    package var findings: [InstallationFinding] {
        [self.files, self.room, self.time].compactMap(\.self)
    }

    private var files: InstallationFinding {
        let needed = self.reserved + self.apiConnections + self.receiverConnections
        let words =
            "the limit is \(self.descriptors); \(self.receiverConnections) are for receivers, \(self.apiConnections) for the API"
        let hint = "raise the hard limit (LimitNOFILE= of the unit, --ulimit nofile= of a container)"
        if needed > self.descriptors {
            return .init(.fail, "descriptors", words, hint: "\(hint), or lower DELIVERY_ALL_CONNECTIONS")
        }
        if self.receiverConnections < self.webhookConnections * 2 {
            return .init(
                .warn, "descriptors", "\(words): two webhooks with \(self.webhookConnections) each have no room",
                hint: "\(hint), or lower DELIVERY_CONNECTIONS")
        }
        return .init(.ok, "descriptors", words)
    }

    private var room: InstallationFinding {
        guard let memory else { return .init(.ok, "memory", "the control group sets no limit") }
        let words = "the control group lets it have \(InstallationWords.size(memory))"
        return memory < Self.enoughMemory
            ? .init(
                .warn, "memory", words, hint: "128 MB are enough up to 100,000 things; see Sizing in docs/operations.md"
            )
            : .init(.ok, "memory", words)
    }

    private var time: InstallationFinding? {
        guard self.now < Self.earliest else { return nil }
        return .init(
            .fail, "clock", "this machine says that it is \(self.now.text)",
            hint: "set the clock: certificates and tokens are checked by it")
    }
}
