internal import API
internal import ArgumentParser
internal import Domain
internal import Registry

struct Why: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Explain why a message of a thing goes to the webhooks of its group, or does not.",
        usage: "hookline why <thing> [<payload>] [--subtopic <subtopic>] [--webhook <webhook>] [<settings> ...]",
        discussion: """
            The same as POST /things/{id}/explain, by the database (POSTGRES_URL, and SECRETS_KEY to read what webhooks ask \
            for). Without a payload it is the newest message that is kept. Nothing is sent or changed. Breakers and rates are known to the running instances alone. Ends with 0 if a \
            webhook would be called, and with 1 if none would.
            """)

    @Argument(help: "The thing's id.")
    var thing: String

    @Option(help: "The subtopic, behind things/<id>/messages/.")
    var subtopic: String?

    @Option(help: "The id of a webhook, to ask about it alone.")
    var webhook: String?

    /// The payload stands before them: as an argument of its own it would take the value of the first.
    @OptionGroup var settings: SettingsArguments

    func run() async throws {
        guard let thing = EntityID(self.thing) else { throw ValidationError("The thing's id must be a UUID.") }
        let webhook = self.webhook.flatMap { EntityID($0) }
        guard (self.webhook == nil) == (webhook == nil) else {
            throw ValidationError("The webhook's id must be a UUID.")
        }
        let payload = self.settings.arguments.first.flatMap { $0.hasPrefix("--") ? nil : $0 }
        let settings = self.settings.arguments.dropFirst(payload == nil ? 0 : 1)
        let reader = try await SettingsReader(arguments: Array(settings))
        let connected = try CommandDatabase(reader, of: "why")
        defer { connected.close() }
        let routes = RouteStore(connected.database, box: try ServiceConfiguration.secrets(reader))
        let explainer = Explainer(
            connected.database, wallClock: .system, largestPayload: try ServiceConfiguration.largestPayload(reader),
            scene: { try await routes.load(around: $0).scene(of: $0) }, gate: nil)
        let answer = try await explainer.explain(
            thing, subtopic: self.subtopic, payload: payload.map { Array($0.utf8) }, webhook: webhook)
        print(ExplanationText(answer).text)
        if !answer.explanation.webhooks.contains(where: { $0.would == .send }) { throw ExitCode(1) }
    }
}

/// An explanation as people read it in a terminal.
struct ExplanationText {
    let text: String

    init(_ answer: Explainer.Answer) {
        var lines = answer.explanation.steps.flatMap(Self.lines)
        for webhook in answer.explanation.webhooks {
            let name = answer.names[webhook.target.key] ?? ""
            lines += ["", "\(Self.words(webhook.would)): \(name) (\(webhook.target.id))"]
            lines += webhook.steps.flatMap(Self.lines)
        }
        let rest = answer.total - answer.explanation.webhooks.count
        if rest > 0, !answer.explanation.webhooks.isEmpty { lines += ["", "\(rest) more webhooks are not shown."] }
        // Names and payloads are others': nothing of them reaches the terminal as anything but text.
        self.text = lines.map(\.printable).joined(separator: "\n")
    }

    private static func words(_ fate: Fate) -> String {
        switch fate {
        case .send: "would be sent"
        case .wait: "would wait"
        case .skip: "would be skipped"
        case .ignore: "would not be sent"
        case .unknown: "cannot be told"
        }
    }

    private static func lines(_ step: ExplainedStep) -> [String] {
        let width = ExplainedStep.Check.allCases.map(\.rawValue.count).max() ?? 0
        let name = step.check.rawValue
        let padding = String(repeating: " ", count: width - name.count)
        return ["  \(step.isOK ? "ok" : "no")  \(name)\(padding)  \(step.reason)"]
            + step.findings.map { finding in
                let before = finding.before.map { ", before \($0)" } ?? ""
                return
                    "      \(String(repeating: " ", count: width))  \(finding.isMet ? "met    " : "not met") \(finding.rule): found \(finding.found ?? "nothing")\(before)"
            }
    }
}
