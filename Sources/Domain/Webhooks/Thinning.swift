internal import Crypto
package import Values

/// What a webhook leaves out of each thing's messages: those that come too soon behind another, and those that say what the one
/// before said.
///
/// It is decided when a message comes in, by what is remembered of the thing, so that it is the same on whichever instance the
/// message comes and after every restart. A value: who asks has the memory, and keeps what becomes of it.
package final class Thinning: Sendable {
    private let rate: ThingRate?
    private let duplicates: DuplicateRule?
    private let bypass: [JSONPath]
    /// Where duplicates are the same; nil for the whole payload.
    private let subject: JSONPath?
    /// Everything that is asked for in a payload.
    package let paths: [JSONPath]

    /// nil if nothing is left out.
    package init?(_ policy: DeliveryPolicy) {
        guard policy.perThing != nil || policy.duplicates != nil else { return nil }
        self.rate = policy.perThing
        self.duplicates = policy.duplicates
        self.bypass = policy.perThing?.bypass.compactMap { JSONPath($0) } ?? []
        self.subject = policy.duplicates?.path.flatMap { JSONPath($0) }
        self.paths = self.bypass + (self.subject.map { [$0] } ?? [])
    }

    /// What is remembered of one thing. Times are those of its messages, in milliseconds since 1970; values are digests.
    package struct Memory: Sendable, Equatable, Codable {
        /// Until when nothing more of it goes out; what waits goes out then.
        var until: Int64?
        /// The message that waits for that time.
        var waiting: MessageID?
        /// What the newest message said that went out, or waits to.
        var said: String?
        var saidAt: Int64?
        /// What stood at the paths that bypass the rate.
        var marks: [String: String] = [:]

        package init() {}
    }

    package enum Verdict: Sendable, Equatable {
        case send
        /// It waits until then, unless a newer one takes its place.
        case later(Instant)
        case leaveOut(Reason)
    }

    /// Why a message is left out.
    package enum Reason: Sendable, Equatable {
        case tooSoon(every: Int64)
        /// For a newer one, before it went out.
        case replaced
        case duplicate(path: String?)

        package var words: String {
            switch self {
            case .tooSoon(let every):
                "another message of its thing went out less than \(every) s before (rate_limit.per_thing)"
            case .replaced: "a newer message of its thing came before rate_limit.per_thing let it out"
            case .duplicate(let path?): "at \(path) it says what the thing's message before it said (duplicates)"
            case .duplicate(nil): "it says what the thing's message before it said (duplicates)"
            }
        }
    }

    package struct Judgment: Sendable, Equatable {
        package let verdict: Verdict
        /// What is to be remembered from now on; nil if that is what was.
        package let memory: Memory?
        /// The message that waited and is left out for this one, if it still waits.
        package let replaced: MessageID?
    }

    /// - Parameters:
    ///   - message: whose time counts.
    ///   - index: of the same payload.
    package func judge(
        _ message: MessageID, _ payload: [UInt8], _ index: PayloadIndex, after memory: Memory,
        budget: inout EvaluationBudget
    ) -> Judgment {
        let time = message.millisecondsSince1970
        let former = memory
        var memory = memory
        if let rate { memory.letOutWhatWaits(by: time, every: rate.every.milliseconds) }
        var isUrgent = false
        for path in self.bypass {
            switch Self.look(at: path, in: index, &budget) {
            case .nothing: break
            // What nobody has looked at may be what must not wait.
            case .unknown: isUrgent = true
            case .value(let digest) where memory.marks[path.description] != digest:
                isUrgent = true
                memory.marks[path.description] = digest
            case .value: break
            }
        }
        let said = self.said(payload, index, &budget)
        if let duplicates, let said, !isUrgent, memory.hasSaid(said, at: time, within: duplicates.within) {
            return Judgment(verdict: .leaveOut(.duplicate(path: duplicates.path)), memory: nil, replaced: nil)
        }
        if let said { (memory.said, memory.saidAt) = (said, time) }
        guard let rate else {
            return Judgment(verdict: .send, memory: memory == former ? nil : memory, replaced: nil)
        }
        let wait = memory.until?.subtracting(time) ?? 0
        let replaced = wait > 0 ? memory.waiting : nil
        // One that is longer than it can be is of another setting, or of a clock that was set back.
        if isUrgent || wait <= 0 || wait > rate.every.milliseconds {
            (memory.until, memory.waiting) = (time.adding(rate.every.milliseconds), nil)
            return Judgment(verdict: .send, memory: memory, replaced: replaced)
        }
        guard rate.keep == .last else {
            return Judgment(verdict: .leaveOut(.tooSoon(every: rate.every)), memory: nil, replaced: nil)
        }
        memory.waiting = message
        return Judgment(
            verdict: .later(Instant(clampingMilliseconds: time.adding(wait))), memory: memory, replaced: replaced)
    }

    // MARK: What a payload says

    private enum Found {
        case nothing
        /// It was too costly to look.
        case unknown
        case value(String)
    }

    /// Null is nothing, as where conditions compare.
    private static func look(at path: JSONPath, in index: PayloadIndex, _ budget: inout EvaluationBudget) -> Found {
        guard index.json != nil else { return .nothing }
        // A group has paths that are not looked for if it has too many.
        guard let node = index.node(of: path) else { return .unknown }
        guard let value = index.value(at: node), value.kind != .null else { return .nothing }
        let isNested = value.kind == .object || value.kind == .array
        guard budget.spend(value.text.count * (isNested ? 16 : 1)) else { return .unknown }
        return .value(Self.digest(value.canonicalText))
    }

    /// nil if nothing can be the same.
    private func said(_ payload: [UInt8], _ index: PayloadIndex, _ budget: inout EvaluationBudget) -> String? {
        guard self.duplicates != nil else { return nil }
        guard let subject else { return budget.spend(payload.count) ? Self.digest(payload) : nil }
        return if case .value(let digest) = Self.look(at: subject, in: index, &budget) { digest } else { nil }
    }

    private static func digest(_ bytes: [UInt8]) -> String { Base64.encode(SHA256.hash(data: bytes).prefix(16)) }
}

extension Thinning.Memory {
    /// What waited has gone out when its time came, and the next waits as long.
    fileprivate mutating func letOutWhatWaits(by time: Int64, every: Int64) {
        guard let until, self.waiting != nil, until <= time else { return }
        (self.until, self.waiting) = (until.adding(every), nil)
    }

    /// - Parameter within: seconds; nil is for ever.
    fileprivate func hasSaid(_ said: String, at time: Int64, within: Int64?) -> Bool {
        guard said == self.said, let saidAt else { return false }
        // The clock may have been set back since.
        return within.map { time.subtracting(saidAt).magnitude < $0.milliseconds } ?? true
    }
}

extension Int64 {
    /// Of seconds.
    fileprivate var milliseconds: Int64 { self.multiplied(by: 1_000) }
}
