import Domain
import Queue
import Schema

/// What PostgreSQL holds, with what the room Queue asks of it. Each function is a transaction.
struct ModelDatabase {
    struct SessionRow {
        let client: String
        var expires: Int64
        var slot: Int64?
        var settled: Int64 = 0
        var isStopped = false
    }

    /// A delivery with a row of its own.
    struct SingleRow {
        /// nil where order is not strict.
        let thing: EntityID?
        var due: Int64
        var blockedUntil: Int64?
        var attempts: Int32 = 0
        var leasedBy: SessionID?
        var hasFailed = false
        /// When it was written, counted in transactions.
        let written: Int
    }

    struct BatchRow {
        var messages: [MessageID]
        var bits: [UInt8]
        var leasedBy: SessionID?
        let due: Int64
        /// Whether it was written for a session after that had ended, and found later than what came after it.
        var wasStray = false

        var remaining: [MessageID] {
            self.messages.indices.filter { self.bits[$0 >> 3] & (1 << UInt8($0 & 7)) == 0 }.map { self.messages[$0] }
        }

        /// One that waits, with nothing of it done.
        init(_ messages: [MessageID], due: Int64) {
            self.init(
                messages: messages, bits: [UInt8](repeating: 0, count: (messages.count + 7) / 8), leasedBy: nil,
                due: due)
        }

        init(messages: [MessageID], bits: [UInt8], leasedBy: SessionID?, due: Int64) {
            (self.messages, self.bits, self.leasedBy, self.due) = (messages, bits, leasedBy, due)
        }

        /// Takes away what comes after so many that are not done.
        mutating func cut(after count: Int) -> [MessageID] {
            guard let end = self.remaining.dropFirst(count).first, let place = self.messages.firstIndex(of: end) else {
                return []
            }
            let rest = Array(self.remaining.dropFirst(count))
            self.messages.removeSubrange(place...)
            self.bits.removeSubrange(((place + 7) / 8)...)
            return rest
        }
    }

    /// So few that one which is free again is soon given out.
    static let slotCount: Int64 = 4

    /// Microseconds since 1970.
    var now: Int64 = 1_750_000_000_000_000
    var transactions = 0
    var messages: [MessageID: Message] = [:]
    /// Those that were removed because they came again.
    var forgotten: Set<MessageID> = []
    var batches: [DeliveryBatch.Row: BatchRow] = [:]
    var single: [DeliveryID: SingleRow] = [:]
    var sessions: [SessionID: SessionRow] = [:]
    /// Who has taken charge of a client that is abandoned.
    var abandoned: [String: SessionID?] = [:]
    var lastSession: Int32 = 0
    /// The marks of sessions that are gone.
    var formerMarks: [SessionID: Int64] = [:]
    var forgetsMarks = false
    /// Whether what is leased to a session that is not there stays so.
    var keepsStrayLeases = false
    /// Whether who is answered nothing about what is in its charge is never answered that again, and what is in another's charge is
    /// left as if it were one's own.
    var (forgetsCharges, leavesForOthers) = (false, false)
    /// How often each attempt was counted, by its number.
    var counted: [Int64: Int] = [:]
    /// What a caller has given up waiting for.
    private var late: [(deadline: Int64, effect: (inout ModelDatabase) -> Void)] = []

    /// How long a statement may take before the server ends it.
    private static let longestStatement: Int64 = 5_000_000

    /// What a call came to.
    enum Answer<Value> {
        case value(Value)
        case outage(isUncertain: Bool)
    }

    mutating func call<Value>(
        _ fate: Fate, _ transaction: @escaping (inout ModelDatabase) -> Value
    ) -> Answer<Value> {
        switch fate {
        case .answered:
            self.transactions += 1
            return .value(transaction(&self))
        case .failed: return .outage(isUncertain: false)
        case .answerLost:
            self.transactions += 1
            _ = transaction(&self)
        case .late: self.late.append((self.now + Self.longestStatement, { _ = transaction(&$0) }))
        }
        return .outage(isUncertain: true)
    }

    mutating func land() {
        guard !self.late.isEmpty else { return }
        self.transactions += 1
        let (_, effect) = self.late.removeFirst()
        effect(&self)
    }

    mutating func landAll() {
        while !self.late.isEmpty { self.land() }
    }

    mutating func pass(microseconds: Int64) {
        let end = self.now + microseconds
        while let next = self.late.first, next.deadline <= end { self.land() }
        self.now = end
    }

    /// What is not done yet.
    var unfinished: Set<DeliveryID> {
        var all = Set(self.single.filter { !$0.value.hasFailed }.keys)
        for (row, batch) in self.batches {
            all.formUnion(batch.remaining.map { DeliveryID(message: $0, webhook: row.webhook) })
        }
        return all
    }
}
