import Domain
import Queue
import Schema

/// Runs schedules, and makes one that fails as short as it can be.
struct Simulation: Sendable {
    /// The first takes messages as they come, the second in strict order.
    let webhooks: [WebhookTarget]
    let mistake: Mistake?

    init(mistake: Mistake? = nil) throws {
        self.mistake = mistake
        let url = try WebhookURL("http://example.com")
        self.webhooks = (0..<World.webhookCount).map { number in
            var policy = DeliveryPolicy()
            policy.ordering = number == 0 ? .first : .thing
            return WebhookTarget(
                key: WebhookKey(rawValue: Int32(number)), id: EntityID(high: 3, low: UInt64(number)),
                group: EntityID(high: 2, low: 0), version: 1, url: url, headers: [], policy: policy)
        }
    }

    /// - Parameter look: called after each step, and when all has come to rest.
    /// - Returns: what went wrong.
    func run(_ schedule: Schedule, look: (World) -> Void = { _ in }) -> String? {
        let world = World(schedule, webhooks: self.webhooks, mistake: self.mistake)
        for decision in schedule.decisions {
            world.apply(decision)
            world.check()
            look(world)
            if let violation = world.violation { return violation }
        }
        world.comeToRest()
        look(world)
        return world.violation
    }

    /// Leaves out what the failure does not need: first large parts, then single decisions; then faults.
    func shortened(_ schedule: Schedule) -> Schedule {
        guard let kind = self.run(schedule).map(Self.kind) else { return schedule }
        let fails = { self.run($0).map(Self.kind) == kind }
        var schedule = schedule
        var size = max(1, schedule.decisions.count / 2)
        while true {
            var start = 0
            var isShorter = false
            while start < schedule.decisions.count {
                var shorter = schedule
                shorter.decisions.removeSubrange(start..<min(start + size, schedule.decisions.count))
                if fails(shorter) { (schedule, isShorter) = (shorter, true) } else { start += size }
            }
            if size > 1 { size /= 2 } else if !isShorter { break }
        }
        for index in schedule.decisions.indices {
            var milder = schedule
            milder.decisions[index] = milder.decisions[index].withoutFault
            if fails(milder) { schedule = milder }
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

    /// What went wrong, without saying to which message.
    private static func kind(_ violation: String) -> String {
        String(violation.split(separator: ";")[0].filter { !$0.isNumber })
    }

    /// - Returns: of these seeds the first schedule that fails, for each kind of failure.
    func failures(_ seeds: Range<UInt64>) -> [String: Schedule] {
        var failures: [String: Schedule] = [:]
        for seed in seeds {
            let schedule = Schedule(seed: seed)
            guard let violation = self.run(schedule), failures[Self.kind(violation)] == nil else { continue }
            failures[Self.kind(violation)] = schedule
        }
        return failures
    }

    func firstFailure(_ seeds: Range<UInt64>) -> Schedule? {
        seeds.lazy.map { Schedule(seed: $0) }.first { self.run($0) != nil }
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
        case .crash, .loseBroker, .send, .giveBack, .setClock, .pass, .land: self
        }
    }
}
