import Domain
import Queue
import Schema

/// Runs schedules, and makes one that fails as short as it can be.
struct Simulation: Sendable {
    /// The first takes messages as they come, the second in strict order.
    let webhooks: [WebhookTarget]
    var mistake: Mistake?

    init(mistake: Mistake? = nil) throws {
        self.mistake = mistake
        let url = try WebhookURL("http://example.com")
        self.webhooks = (0..<World.webhookCount).map { number in
            var policy = DeliveryPolicy()
            policy.ordering = number == 0 ? .none : .thing
            return WebhookTarget(
                key: WebhookKey(rawValue: Int32(number)), id: EntityID(high: 3, low: UInt64(number)),
                group: EntityID(high: 2, low: 0), version: 1, url: url, headers: [], policy: policy)
        }
    }

    /// - Returns: what went wrong.
    func run(_ schedule: Schedule) -> String? {
        let world = World(schedule, webhooks: self.webhooks, mistake: self.mistake)
        for decision in schedule.decisions {
            world.apply(decision)
            world.check()
            if let violation = world.violation { return violation }
        }
        world.comeToRest()
        return world.violation
    }

    /// Leaves out what the failure does not need: first large parts, then single decisions; then faults.
    func shortened(_ schedule: Schedule) -> Schedule {
        var schedule = schedule
        var size = max(1, schedule.decisions.count / 2)
        while true {
            var start = 0
            var isShorter = false
            while start < schedule.decisions.count {
                var shorter = schedule
                shorter.decisions.removeSubrange(start..<min(start + size, schedule.decisions.count))
                if self.run(shorter) == nil {
                    start += size
                } else {
                    (schedule, isShorter) = (shorter, true)
                }
            }
            if size > 1 { size /= 2 } else if !isShorter { break }
        }
        for index in schedule.decisions.indices {
            var milder = schedule
            milder.decisions[index] = milder.decisions[index].withoutFault
            if self.run(milder) != nil { schedule = milder }
        }
        return schedule
    }

    /// The seed, the steps and what went wrong, of a schedule that fails.
    func report(_ schedule: Schedule) -> String {
        let short = self.shortened(schedule)
        let steps = short.decisions.enumerated().map { "  \($0.offset + 1). \($0.element)" }
        let kind = "\(short.instances) instances, \(short.isShared ? "a shared subscription" : "one client")"
        return (["seed \(short.seed), \(kind):"] + steps + ["  then: \(self.run(short) ?? "nothing")"])
            .joined(separator: "\n")
    }

    /// - Returns: the first of these seeds whose schedule fails.
    func firstFailure(_ seeds: Range<UInt64>) -> Schedule? {
        for seed in seeds {
            let schedule = Schedule(seed: seed)
            if self.run(schedule) != nil { return schedule }
        }
        return nil
    }
}

extension Decision {
    /// The same if nothing goes wrong.
    fileprivate var withoutFault: Decision {
        switch self {
        case .publish(let thing, let to, _): .publish(thing: thing, to: to, isPoison: false)
        case .start(let id, _): .start(id, .answered)
        case .stop(let id, _): .stop(id, .answered)
        case .intake(let id, _): .intake(id, .answered)
        case .adopt(let id, _): .adopt(id, .answered)
        case .claim(let id, let webhook, _): .claim(id, webhook: webhook, .answered)
        case .answer(let id, let webhook, _): .answer(id, webhook: webhook, .accepted)
        case .settle(let id, _): .settle(id, .answered)
        case .renew(let id, _): .renew(id, .answered)
        case .releaseExpired(let id, _): .releaseExpired(id, .answered)
        case .askDue(let id, _): .askDue(id, .answered)
        case .audit(let id, _): .audit(id, .answered)
        case .crash, .loseBroker, .send, .setClock, .pass, .land: self
        }
    }
}
