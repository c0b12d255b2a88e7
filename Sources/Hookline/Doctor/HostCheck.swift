internal import Delivery
internal import Domain
internal import LocalServices
internal import Values
internal import WebhookClient

/// What the machine gives an instance.
struct HostCheck: Sendable {
    private let receivers: ConnectionLimits
    private let webhookConnections: Int

    init(_ configuration: ServiceConfiguration) {
        self.receivers = configuration.delivery.connectionLimits
        self.webhookConnections = configuration.delivery.connectionsPerWebhook
    }

    func run() async -> [InstallationFinding] {
        let descriptors = Descriptors.current
        return HostReading(
            descriptors: descriptors.limit, reserved: descriptors.reserve, apiConnections: descriptors.connections,
            receiverConnections: self.receivers.total, webhookConnections: self.webhookConnections,
            memory: ControlGroup.memory(readingFile: Files.read), now: WallClock.system.now
        ).findings
    }
}
