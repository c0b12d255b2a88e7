internal import Domain
internal import Values

/// What has come for webhooks that have no lane yet, for a moment: the webhooks in the order in which they came.
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
    /// Those that are gone stay until all are.
    private var order: [WebhookKey] = []
    private var next = 0

    var isEmpty: Bool { self.arrivals.isEmpty }
    /// How many webhooks there are.
    var count: Int { self.arrivals.count }

    func contains(_ key: WebhookKey) -> Bool { self.arrivals[key] != nil }

    /// What has come for a webhook. It is among them once something is changed.
    subscript(key: WebhookKey) -> Arrival {
        get { self.arrivals[key] ?? Arrival() }
        _modify {
            if self.arrivals[key] == nil { self.order.append(key) }
            yield &self.arrivals[key, default: Arrival()]
        }
    }

    /// The webhook that has waited longest.
    var first: WebhookKey? {
        mutating get {
            while self.next < self.order.count {
                if self.arrivals[self.order[self.next]] != nil { return self.order[self.next] }
                self.next += 1
            }
            return nil
        }
    }

    @discardableResult
    mutating func remove(_ key: WebhookKey) -> Arrival? {
        let removed = self.arrivals.removeValue(forKey: key)
        if self.arrivals.isEmpty { (self.order, self.next) = ([], 0) }
        return removed
    }
}
