internal import Domain
internal import Journal
internal import Observability
internal import Registry

/// What has become of each webhook's deliveries, under its id and that of its group.
enum WebhookMetrics {
    private static let labels = ["webhook", "group"]

    static func families(_ totals: WebhookTotals, _ routes: RouteKeeper) -> [MetricFamily] {
        let rows = self.rows(totals, routes)
        func counter(_ name: String, _ help: String, _ value: (WebhookTotals.Entry) -> Int64) -> MetricFamily {
            MetricFamily(
                .counter, name, help, labels: self.labels,
                rows.map { .init(Double(value($0.entry)), $0.labels) })
        }
        return [
            counter(
                "hookline_webhook_deliveries_succeeded_total", "Deliveries of a webhook that its receiver accepted.",
                \.succeeded),
            counter("hookline_webhook_attempts_failed_total", "Attempts of a webhook that failed.", \.failed),
            counter(
                "hookline_webhook_deliveries_skipped_total", "Deliveries of a webhook that were not to be made.",
                \.skipped),
            MetricFamily(
                .summary, "hookline_webhook_attempt_seconds", "How long attempts of a webhook take.",
                labels: self.labels,
                rows.flatMap { row in
                    [
                        .init(Double(row.entry.attemptTime) / 1_000_000, row.labels, suffix: "_sum"),
                        .init(Double(row.entry.succeeded + row.entry.failed), row.labels, suffix: "_count"),
                    ]
                }),
        ]
    }

    private static func rows(
        _ totals: WebhookTotals, _ routes: RouteKeeper
    ) -> [(entry: WebhookTotals.Entry, labels: [String])] {
        let entries = totals.entries { key in routes.withRoutes { $0.webhook(key) != nil } }
        return entries.compactMap { entry in
            guard let key = entry.webhook else { return (entry, ["others", "others"]) }
            return routes.withRoutes { $0.webhook(key) }.map { (entry, [$0.id.description, $0.group.description]) }
        }
    }
}
