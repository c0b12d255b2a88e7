internal import ArgumentParser
internal import Domain
internal import MQTT
internal import NIOCore

/// What a broker keeps, before a fleet relies on it.
struct CheckBroker: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Try what the broker keeps and can: ends with 0 if all that is needed is there, with 1 if not.",
        discussion: """
            It comes in under client ids of its own, beside running instances, publishes for a session that is away, and takes \
            back all that it left. docs/brokers.md says what the lines mean.
            """)

    @Option(help: "Messages for the session that is away.") var messages = 10_000
    @Option(help: "Below which topic; the account has to be allowed to read and write there.")
    var topic = "hookline-check"
    @OptionGroup var settings: SettingsArguments

    func validate() throws {
        guard (1...1_000_000).contains(self.messages) else {
            throw ValidationError("--messages is a number from 1 to 1000000")
        }
        guard TopicFilter(self.topic) != nil, !TopicText.hasWildcard(self.topic) else {
            throw ValidationError("--topic is a topic without wildcards")
        }
    }

    func run() async throws {
        let reader = try await SettingsReader(arguments: self.settings.arguments)
        let configuration = try ServiceConfiguration(reader, cores: System.coreCount)
        let check = BrokerCheck(
            configuration.mqtt, below: self.topic, count: self.messages,
            token: String("\(EntityID.random())".prefix(8)),
            logger: try LogConfiguration(reader).makeLogger())
        let findings: [BrokerCheck.Finding]
        do throws(MQTTError) { findings = try await check.run() } catch {
            print("bad   broker      \(error)")
            throw ExitCode(1)
        }
        for finding in findings {
            let weight = finding.weight.rawValue.padded(to: 6)
            print("\(weight)\(finding.subject.padded(to: 12))\(finding.text)")
        }
        if findings.contains(where: { $0.weight == .bad }) { throw ExitCode(1) }
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(1, width - self.count))
    }
}
