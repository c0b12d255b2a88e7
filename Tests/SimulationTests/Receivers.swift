import Domain

/// What the receivers have been given.
struct Receivers {
    private(set) var attempts: Int64 = 0
    /// By webhook, the numbers of the publications.
    private(set) var numbers: [WebhookKey: Set<Int>] = [:]
    private(set) var accepted: Set<DeliveryID> = []

    /// - Returns: the attempt's number.
    mutating func noteAttempt() -> Int64 {
        self.attempts += 1
        return self.attempts
    }

    mutating func accept(_ delivery: Delivery) {
        self.accepted.insert(delivery.id)
        self.numbers[delivery.webhook.key, default: []].insert(delivery.message.number)
    }
}
