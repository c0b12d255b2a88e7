internal import Domain
internal import Logging
internal import MQTT

/// Whether the broker lets Hookline in, and what it says of itself.
struct BrokerGreeting: Sendable {
    private let broker: Session.Configuration

    init(_ configuration: ServiceConfiguration) {
        var broker = configuration.mqtt
        broker.connectTimeout = .seconds(5)
        self.broker = broker
    }

    func run() async -> [InstallationFinding] {
        let check = BrokerCheck(
            self.broker, below: "hookline-check", count: 0, token: String("\(EntityID.random())".prefix(8)),
            logger: Logger(label: "hookline doctor") { _ in SwiftLogNoOpLogHandler() })
        do throws(MQTTError) {
            let findings = try await check.greeting()
            return findings.map { finding in
                switch finding.weight {
                case .good: .init(.ok, "broker", finding.text)
                case .weak: .init(.warn, "broker", finding.text, hint: Self.hint)
                case .bad: .init(.fail, "broker", finding.text, hint: Self.hint)
                }
            }
        } catch {
            let hint =
                error.kind == .refused
                ? "see MQTT_USERNAME, MQTT_PASSWORD and the broker's log: it answers, and does not let this account in"
                : "see MQTT_HOST and MQTT_PORT, whether the broker runs, and the lines about certificates"
            return [.init(.fail, "broker", "not to be used: \(error.message)", hint: hint)]
        }
    }

    private static let hint = "hookline check-broker tries what it keeps; docs/brokers.md has the settings"
}
