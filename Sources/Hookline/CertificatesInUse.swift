internal import Domain
internal import Observability
internal import Queue
internal import Registry
internal import Values

/// The client certificates that webhooks show, their own or their group's.
enum CertificatesInUse {
    static func all(_ routes: RouteKeeper) -> Set<NoticeWatch.Certificate> {
        routes.withRoutes { routes in
            var found: Set<NoticeWatch.Certificate> = []
            for webhook in routes.webhooks {
                guard let life = webhook.tls?.clientLife else { continue }
                let isGroups = webhook.options.clientCertificate == nil
                found.insert(
                    .init(
                        of: isGroups ? webhook.group : webhook.id, isGroups: isGroups, start: life.start, end: life.end)
                )
            }
            return found
        }
    }

    /// - Parameter most: how many are named; those that end first.
    static func family(_ routes: RouteKeeper, most: Int) -> MetricFamily {
        let soonest = Self.all(routes).sorted { $0.end < $1.end }.prefix(most)
        return MetricFamily(
            .gauge, "hookline_client_certificate_expiry_timestamp_seconds",
            "When a client certificate ends that is shown to receivers.", labels: ["owner", "id"],
            soonest.map { .init(Double($0.end.seconds), [$0.isGroups ? "group" : "webhook", $0.owner.description]) })
    }
}
