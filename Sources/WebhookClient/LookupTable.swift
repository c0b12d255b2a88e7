internal import Domain
internal import NIOCore

/// Which hosts are being looked up, for whom, what is remembered of them, and which is next. It does nothing itself.
///
/// One lookup serves all who wait for the host. Groups take turns, with a part of the threads each, and hosts that were
/// slow lately come after all others, with a smaller part: mute name servers of one group's hosts cost that group alone.
struct LookupTable<Waiter> {
    /// The group, org or nobody in particular that wants to know.
    typealias Owner = EntityID?

    /// Names somebody who waits, to be forgotten.
    struct Ticket {
        fileprivate let host: String
        fileprivate let number: UInt64
    }

    enum Asked {
        case answered(LookupAnswer)
        case waits(Ticket)
    }

    private enum Stage {
        case idle
        /// In the lines of all who have asked, so that nobody waits behind another's hosts.
        case queued(by: Set<Owner>)
        case running(for: Owner, since: NIODeadline, asSlow: Bool)
    }

    private struct Host {
        var stage = Stage.idle
        var answer: (value: LookupAnswer, until: NIODeadline)?
        var slowUntil: NIODeadline?
        var waiters: [(number: UInt64, waiter: Waiter)] = []

        var isIdle: Bool { if case .idle = self.stage { true } else { false } }

        func isOfUse(now: NIODeadline) -> Bool {
            !self.isIdle || (self.answer.map { $0.until > now } ?? false)
                || (self.slowUntil.map { $0 > now } ?? false)
        }
    }

    /// Threads in use.
    private struct Usage {
        var all = 0
        var byOwner: [Owner: Int] = [:]

        mutating func take(_ owner: Owner) {
            self.all += 1
            self.byOwner[owner, default: 0] += 1
        }

        mutating func giveBack(_ owner: Owner) {
            self.all -= 1
            self.byOwner[owner] = self.byOwner[owner].flatMap { $0 > 1 ? $0 - 1 : nil }
        }
    }

    private let limits: LookupLimits
    private var hosts: [String: Host] = [:]
    private var ordinary = FairQueue<Owner, String>()
    private var slow = FairQueue<Owner, String>()
    private var usage = Usage()
    private var slowUsage = Usage()
    private var lastNumber: UInt64 = 0

    init(limits: LookupLimits) {
        self.limits = limits
    }

    /// Answers from memory, or has the waiter wait.
    mutating func ask(_ name: String, for owner: Owner, _ waiter: Waiter, now: NIODeadline) -> Asked {
        guard self.hosts[name] != nil || self.makeRoom(now: now) else { return .answered(.tooMany) }
        var host = self.hosts[name] ?? Host()
        if let answer = host.answer, answer.until > now { return .answered(answer.value) }
        switch host.stage {
        case .running(_, let since, _):
            if since + self.limits.patience <= now { return .answered(.silence) }
        case .queued(let owners) where owners.contains(owner): break
        case .queued, .idle:
            let isSlow = host.slowUntil.map { $0 > now } ?? false
            guard self.enqueue(name, for: owner, isSlow: isSlow) else { return .answered(.tooMany) }
            if case .queued(let owners) = host.stage {
                host.stage = .queued(by: owners.union([owner]))
            } else {
                host.stage = .queued(by: [owner])
            }
        }
        self.lastNumber += 1
        host.waiters.append((self.lastNumber, waiter))
        self.hosts[name] = host
        return .waits(Ticket(host: name, number: self.lastNumber))
    }

    /// The host to look up now, if one may be. It has a thread until ``finish(_:_:now:)``.
    mutating func start(now: NIODeadline) -> String? {
        while self.usage.all < self.limits.threads, let next = self.next() {
            guard var host = self.hosts[next.name], case .queued = host.stage else { continue }
            // Those who waited have been told meanwhile that nobody answers.
            guard !host.waiters.isEmpty else {
                host.stage = .idle
                self.hosts[next.name] = host
                continue
            }
            host.stage = .running(for: next.owner, since: now, asSlow: next.isSlow)
            self.hosts[next.name] = host
            self.usage.take(next.owner)
            if next.isSlow { self.slowUsage.take(next.owner) }
            return next.name
        }
        return nil
    }

    /// - Returns: who has waited for it.
    mutating func finish(_ name: String, _ answer: LookupAnswer, now: NIODeadline) -> [Waiter] {
        guard var host = self.hosts[name], case .running(let owner, let since, let isSlow) = host.stage else {
            return []
        }
        self.usage.giveBack(owner)
        if isSlow { self.slowUsage.giveBack(owner) }
        let waiters = host.waiters.map(\.waiter)
        host.stage = .idle
        host.waiters = []
        let isGood = if case .success = answer { true } else { false }
        host.answer = (answer, now + (isGood ? self.limits.remembersGood : self.limits.remembersBad))
        host.slowUntil = now - since >= self.limits.slowAfter ? now + self.limits.remembersSlow : nil
        self.hosts[name] = host
        return waiters
    }

    /// - Returns: the waiter, if it still waits.
    mutating func giveUp(_ ticket: Ticket) -> Waiter? {
        guard let index = self.hosts[ticket.host]?.waiters.firstIndex(where: { $0.number == ticket.number }) else {
            return nil
        }
        return self.hosts[ticket.host]?.waiters.remove(at: index).waiter
    }

    /// - Returns: everybody who waits.
    mutating func giveUpAll() -> [Waiter] {
        let waiters = self.hosts.values.flatMap { $0.waiters.map(\.waiter) }
        for name in self.hosts.keys { self.hosts[name]?.waiters = [] }
        return waiters
    }

    // MARK: Lines

    private mutating func enqueue(_ name: String, for owner: Owner, isSlow: Bool) -> Bool {
        guard self.ordinary.count(of: owner) + self.slow.count(of: owner) < self.limits.mostHostsWaitingPerOwner else {
            return false
        }
        if isSlow { self.slow.append(name, of: owner) } else { self.ordinary.append(name, of: owner) }
        return true
    }

    private mutating func next() -> (name: String, owner: Owner, isSlow: Bool)? {
        let (limits, used, usedBySlow) = (self.limits, self.usage.byOwner, self.slowUsage.byOwner)
        let hasThread = { (owner: Owner) in used[owner, default: 0] < limits.threadsPerOwner }
        if let next = self.ordinary.take(where: hasThread) { return (next.element, next.owner, false) }
        guard self.slowUsage.all < limits.threadsForSlow else { return nil }
        let next = self.slow.take { hasThread($0) && usedBySlow[$0, default: 0] < limits.threadsForSlowPerOwner }
        return next.map { ($0.element, $0.owner, true) }
    }

    /// - Returns: false if so many hosts are being waited for that there is room for no other.
    private mutating func makeRoom(now: NIODeadline) -> Bool {
        guard self.hosts.count >= self.limits.mostHosts else { return true }
        self.hosts = self.hosts.filter { $0.value.isOfUse(now: now) }
        // Nobody waits for what is only remembered.
        if self.hosts.count >= self.limits.mostHosts { self.hosts = self.hosts.filter { !$0.value.isIdle } }
        return self.hosts.count < self.limits.mostHosts
    }
}
