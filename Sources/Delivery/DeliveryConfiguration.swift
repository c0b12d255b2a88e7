package import Domain
package import NIOCore
package import WebhookClient

/// How deliveries are made.
package struct DeliveryConfiguration: Sendable {
    /// The most requests at a time to one webhook whose receiver does well with them.
    package var connectionsPerWebhook = 400
    /// Connections to receivers, over all webhooks and event loops.
    package var connectionLimits = ConnectionLimits()
    /// How long what is known of a webhook's receiver outlives its last request.
    package var laneRest: TimeAmount = .seconds(55)
    /// Schedule, age and the like, where a webhook does not say otherwise.
    package var defaults = DeliveryDefaults()
    /// What all webhooks of a group share; nil is no limit.
    package var groupRate: RateLimit?
    /// What all webhooks share of the groups that count for one user; nil is no limit.
    package var userRate: RateLimit?
    /// Finished attempts are recorded together: when this many have gathered…
    package var completionBatch = 500
    /// …or this much payload, which is in memory until then…
    package var completionBytes = 512 * 1024
    /// …or when the first of them is this old that somebody waits for…
    package var completionDelay: TimeAmount = .milliseconds(20)
    /// …or so long after the last time.
    package var completionInterval: TimeAmount = .milliseconds(200)
    /// The most deliveries that one claim reads from the database.
    package var claimBatch = 1_000
    /// Claims that may be under way at a time.
    package var claimers = 3
    /// How often the database is asked what has fallen due, beyond what this instance knows of.
    package var dueInterval: Duration = .seconds(1)
    /// How long a session's leases outlive its last renewal.
    package var lease: Duration = .seconds(30)
    package var leaseRenewal: Duration = .seconds(5)
    /// How long to wait at the least before, and between, looks for leases that nobody holds.
    package var auditInterval: Duration = .seconds(10)
    /// How often leases of sessions that are over are looked for.
    package var strayInterval: Duration = .seconds(30)
    /// The group of the shared subscription, if instances share one.
    package var sharedGroup: String?
    /// How long such an instance's client id waits for a restart before what the broker holds for it is fetched.
    package var restartPatience: Duration = .seconds(60)
    /// How long requests under way may take when the service stops.
    package var grace: Duration = .seconds(10)
    /// How much of an answer a thing is told, in bytes.
    package var largestResponse = 64 * 1024
    /// Event loops that send; each webhook stays on one.
    package var threads = 1

    package init() {}
}
