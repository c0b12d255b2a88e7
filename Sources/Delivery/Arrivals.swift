internal import Domain
internal import Values
internal import WebhookClient

/// What has come for webhooks that have no lane yet, for a moment. Groups take turns, and of each the webhooks in the order in which
/// they came, so that 20,000 of one keep nobody else waiting.
struct Arrivals {
    struct Arrival {
        /// In the order in which they came.
        var deliveries: [Delivery] = []
        /// Whether something was left in the database.
        var hasBacklog = false
        /// When the first of what waits in the database is due, if that was told.
        var due: Instant?
    }

    private var arrivals: [WebhookKey: Arrival] = [:]
    /// Those that are gone stay until it is their turn, or all are.
    private var order = FairQueue<EntityID?, WebhookKey>()
    /// Whose turn it is.
    private var turn: WebhookKey?

    var isEmpty: Bool { self.arrivals.isEmpty }
    /// How many webhooks there are.
    var count: Int { self.arrivals.count }

    func contains(_ key: WebhookKey) -> Bool { self.arrivals[key] != nil }

    /// What has come for a webhook.
    subscript(key: WebhookKey) -> Arrival { self.arrivals[key] ?? Arrival() }

    /// What has come for a webhook of a group, if it is known of which. It is among them once something is changed.
    subscript(key: WebhookKey, of group: EntityID?) -> Arrival {
        get { self[key] }
        _modify {
            if self.arrivals[key] == nil { self.order.append(key, of: group) }
            yield &self.arrivals[key, default: Arrival()]
        }
    }

    /// The webhook whose turn it is, the same until it is removed.
    var first: WebhookKey? {
        mutating get {
            while self.turn.map({ self.arrivals[$0] == nil }) ?? true {
                guard let next = self.order.popFirst() else {
                    self.turn = nil
                    break
                }
                self.turn = next
            }
            return self.turn
        }
    }

    @discardableResult
    mutating func remove(_ key: WebhookKey) -> Arrival? {
        let removed = self.arrivals.removeValue(forKey: key)
        if self.arrivals.isEmpty { (self.order, self.turn) = (FairQueue(), nil) }
        return removed
    }
}
