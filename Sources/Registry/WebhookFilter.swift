package import Domain
internal import Postgres

/// Which webhooks of a list are wanted: all of them, or those that meet everything that is said.
package struct WebhookFilter: Sendable {
    package var ids: [EntityID]?
    package var status: WebhookStatus?
    package var trigger: TriggerKind?
    package var health: WebhookHealth?
    /// A part of the host of its url, in any case.
    package var host: String?

    package init() {}

    /// What `webhooks AS w` with its `webhook_counters AS c` must meet.
    var condition: Query {
        let ids: Query = self.ids.map { "id = ANY(\($0))" } ?? "true"
        let status: Query = self.status.map { "status = \($0.rawValue)" } ?? "true"
        let trigger: Query = self.trigger.map { "trigger = \($0.rawValue)" } ?? "true"
        let host: Query = self.host.map { "position(lower(\($0)) IN lower(\(Self.urlHost))) > 0" } ?? "true"
        return "\(ids) AND \(status) AND \(trigger) AND \(self.healthCondition) AND \(host)"
    }

    /// A name, or an address in brackets.
    private static let urlHost: Query = #"coalesce(substring(url FROM '^[a-zA-Z]+://(\[[^\]]*\]|[^/:?#]*)'), '')"#

    /// As ``WebhookHealth/init(_:consecutiveFailures:)`` has it.
    private var healthCondition: Query {
        let (enabled, failed) = (WebhookStatus.enabled.rawValue, WebhookStatus.disabledDueToErrors.rawValue)
        let fails: Query = "coalesce(c.consecutive_failures, 0) > 0"
        return switch self.health {
        case nil: "true"
        case .ok: "(status = \(enabled) AND NOT \(fails))"
        case .failing: "(status = \(failed) OR status = \(enabled) AND \(fails))"
        case .off: "status NOT IN (\(enabled), \(failed))"
        }
    }
}
