internal import Synchronization

/// Deliveries to one webhook that were committed together and stand in one row of the database. A delivery leaves the
/// row when it is done, or when it has to be tried again and gets a row of its own.
package final class DeliveryBatch: Sendable {
    /// The same for all webhooks of a group whose deliveries were committed together: they may need the same payloads.
    package let id: MessageID
    package let webhook: WebhookKey
    package let isKept: Bool
    package let isLeased: Bool
    /// All that were committed, in ascending order; never empty. The first identifies the row, with ``id`` and
    /// ``webhook``.
    package let messages: [MessageID]
    private let done: Mutex<Marks>
    /// Told when nothing of the batch is in memory any more.
    private let onEnd: (@Sendable (Row) -> Void)?

    /// What identifies the row.
    package struct Row: Hashable, Sendable {
        package let id: MessageID
        package let webhook: WebhookKey
        package let first: MessageID

        package init(id: MessageID, webhook: WebhookKey, first: MessageID) {
            self.id = id
            self.webhook = webhook
            self.first = first
        }
    }

    /// Which of a batch's deliveries are done.
    package struct Marks: Sendable {
        /// A bit for each, the lowest of a byte first, as PostgreSQL's `get_bit` counts in a `bytea`.
        package fileprivate(set) var bits: [UInt8]
        /// How many are not.
        package fileprivate(set) var remaining: Int

        fileprivate mutating func set(_ index: Int) {
            let bit: UInt8 = 1 << UInt8(index & 7)
            guard self.bits[index >> 3] & bit == 0 else { return }
            self.bits[index >> 3] |= bit
            self.remaining -= 1
        }
    }

    /// - Parameters:
    ///   - messages: in ascending order.
    ///   - done: those of them that are done already.
    ///   - onEnd: told the row when nothing of the batch is in memory any more.
    package init(
        id: MessageID, webhook: WebhookKey, isKept: Bool, isLeased: Bool, messages: [MessageID],
        done: [MessageID] = [], onEnd: (@Sendable (Row) -> Void)? = nil
    ) {
        precondition(!messages.isEmpty, "a batch has deliveries")
        self.id = id
        self.webhook = webhook
        self.isKept = isKept
        self.isLeased = isLeased
        self.messages = messages
        let none = Marks(bits: [UInt8](repeating: 0, count: (messages.count + 7) / 8), remaining: messages.count)
        self.done = Mutex(Self.adding(done, to: none, of: messages))
        self.onEnd = onEnd
    }

    deinit {
        self.onEnd?(self.row)
    }

    package var first: MessageID { self.messages[0] }
    package var row: Row { Row(id: self.id, webhook: self.webhook, first: self.first) }

    /// What is done once these are too.
    package func marks(adding messages: [MessageID]) -> Marks {
        Self.adding(messages, to: self.done.withLock { $0 }, of: self.messages)
    }

    /// The row was written with this.
    package func setDone(_ marks: Marks) {
        self.done.withLock { $0 = marks }
    }

    private static func adding(
        _ messages: [MessageID], to marks: Marks, of all: [MessageID]
    ) -> Marks {
        var marks = marks
        for message in messages {
            var (low, high) = (0, all.count)
            while low < high {
                let middle = (low + high) / 2
                if all[middle] < message { low = middle + 1 } else { high = middle }
            }
            if low < all.count, all[low] == message { marks.set(low) }
        }
        return marks
    }
}

/// Gives out the ids of the batches of one commit.
package struct DeliveryBatchIDs {
    private struct Key: Hashable {
        let group: EntityID
        let isKept: Bool
    }

    private var ids: [Key: MessageID] = [:]

    package init() {}

    /// To be asked for the messages in their order.
    package mutating func id(for message: Message) -> MessageID {
        let key = Key(group: message.group, isKept: message.isKept)
        if let id = self.ids[key] { return id }
        self.ids[key] = message.id
        return message.id
    }
}

extension [Delivery] {
    /// Puts deliveries that are to be committed together, in the order of their messages, into batches: all but those
    /// of strict order.
    ///
    /// - Parameters:
    ///   - onStart: told the row of each that is leased.
    ///   - onEnd: see ``DeliveryBatch/init(id:webhook:isKept:isLeased:messages:done:onEnd:)``.
    package mutating func formBatches(
        onStart: (DeliveryBatch.Row) -> Void = { _ in }, onEnd: (@Sendable (DeliveryBatch.Row) -> Void)? = nil
    ) {
        var ids = DeliveryBatchIDs()
        var members: [Int: (id: MessageID, indices: [Int])] = [:]
        for index in self.indices where self[index].webhook.ordering != .thing {
            let (isKept, isLeased) = (self[index].message.isKept, self[index].isLeased)
            let key = Int(self[index].webhook.key.rawValue) << 2 | (isKept ? 2 : 0) | (isLeased ? 1 : 0)
            if members[key]?.indices.append(index) == nil {
                members[key] = (ids.id(for: self[index].message), [index])
            }
        }
        for (id, indices) in members.values {
            let first = self[indices[0]]
            let batch = DeliveryBatch(
                id: id, webhook: first.webhook.key, isKept: first.message.isKept, isLeased: first.isLeased,
                messages: indices.map { self[$0].message.id }, onEnd: first.isLeased ? onEnd : nil)
            if first.isLeased { onStart(batch.row) }
            for index in indices { self[index].batch = batch }
        }
    }
}
