import Postgres

/// A table of rows about webhooks, each of which says which group its webhook is of.
enum GroupedTable: String, CaseIterable {
    case deliveries, skips, attempts
    case batches = "delivery_batches"
    case counters = "webhook_counters"
    case stats = "webhook_stats"
    case memory = "condition_memory"
    case thinned = "thinned_things"
    case attemptBatches = "attempt_batches"

    var name: Query { Query(stringLiteral: self.rawValue) }
    /// The column of its group.
    var group: String { self == .counters ? "webhook_group_id" : "group_id" }
}
