import Domain
import Journal
import Queue
import Schema

/// What a schedule does, step by step, in a number: another if any of it is.
struct Trace {
    /// 64-bit FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/): the same for the same bytes, everywhere.
    private(set) var digest: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func add(_ text: String) {
        for byte in text.utf8 { self.digest = (self.digest ^ UInt64(byte)) &* 0x100_0000_01B3 }
    }
}

extension Simulation {
    /// - Returns: the digest of all that these schedules do.
    func digest(_ seeds: some Sequence<UInt64>) -> UInt64 {
        var trace = Trace()
        for seed in seeds { _ = self.run(Schedule(seed: seed)) { trace.add($0.text) } }
        return trace.digest
    }
}

// All that there is, in words, and in an order of its own where there is no other.
extension World {
    fileprivate var text: String {
        let parts = [self.violation ?? "", "\(self.receivers.attempts) attempts"]
        return (parts + self.instances.map { $0?.text ?? "gone" } + [self.database.text]).joined(separator: "\n")
    }
}

extension Instance {
    fileprivate var text: String {
        let parts = [
            "session \(self.identity.id.rawValue) with \(self.ledger.count), \(self.losses) lost",
            "pending \(self.pending.text)", "settling \(self.settling.text)",
            "taken \(self.intake.taken.map(\.number))",
        ]
        return (parts + self.lanes.map(\.text)).joined(separator: "\n")
    }
}

extension SimulatedLane {
    fileprivate var text: String {
        let numbers = self.inFlight.map(\.message.number)
        let waiting = "\(self.queue.count) \(self.queue.penned.deliveries) \(self.queue.first?.message.number ?? -1)"
        let backlog = "\(self.backlog.isEmpty) \(self.backlog.isClaiming) \(self.backlog.isBehind)"
        return "lane \(self.target.key.rawValue): \(numbers) \(waiting) \(backlog)"
    }
}

extension [DeliveryResult] {
    fileprivate var text: String {
        self.map { result in
            let id = result.delivery.id
            return "\(id.webhook.rawValue)/\(id.message.rawValue) \(result.hasSucceeded) \(result.tried)"
        }.joined(separator: ", ")
    }
}

extension ModelDatabase {
    fileprivate var text: String {
        let single = self.single.sorted {
            ($0.key.webhook.rawValue, $0.key.message) < ($1.key.webhook.rawValue, $1.key.message)
        }.map { id, row in
            "\(id.webhook.rawValue)/\(id.message.rawValue) \(row.due) \(row.attempts) \(row.leasedBy?.rawValue ?? 0)"
        }
        let batches = self.batches.sorted {
            ($0.key.webhook.rawValue, $0.key.id, $0.key.first) < ($1.key.webhook.rawValue, $1.key.id, $1.key.first)
        }.map { key, row in
            "\(key.webhook.rawValue)/\(key.id.rawValue)/\(key.first.rawValue) \(row.bits) \(row.leasedBy?.rawValue ?? 0)"
        }
        let sessions = self.sessions.sorted { $0.key.rawValue < $1.key.rawValue }.map { id, row in
            "session \(id.rawValue) until \(row.expires), \(row.settled)"
        }
        return (["\(self.now) \(self.transactions)"] + single + batches + sessions).joined(separator: "\n")
    }
}
