internal import Domain
internal import Journal
internal import Postgres
internal import Schema
internal import Values

/// What has become of some messages at a webhook.
struct ResendStates: Sendable {
    /// Those that wait for it, or are on their way.
    fileprivate(set) var waiting: Set<Int64> = []
    fileprivate(set) var failed: Set<Int64> = []
    /// As far as was asked, and as the log goes back.
    fileprivate(set) var succeeded: Set<Int64> = []

    func admits(_ message: Int64, _ status: ResendSelection.Status) -> Bool {
        guard !self.waiting.contains(message) else { return false }
        return switch status {
        case .any: true
        case .failed: self.failed.contains(message)
        case .succeeded: self.succeeded.contains(message) && !self.failed.contains(message)
        }
    }
}

extension ResendWalk {
    /// What was sent in one request came in within this time of its first message.
    private static let bundleSpan = MessageID.perMillisecond * 60_000
    /// What succeeded at once stands together with others, and was sent within this time of when it came in.
    private static let longestBacklog = Duration.seconds(86_400)

    /// - Parameter ids: in ascending order.
    func states(of ids: [Int64], on db: isolated Connection) throws -> ResendStates {
        var states = ResendStates()
        guard let first = ids.first, let last = ids.last else { return states }
        let (key, group) = (self.target.key.rawValue, self.target.group)
        let alone = try db.query(
            """
            SELECT message_id, failed_at IS NOT NULL FROM deliveries WHERE message_id = ANY(\(ids)) AND webhook_key = \(key)
                AND group_id = \(group)
            """
        ) { (id: try $0.int64(0), hasFailed: try $0.bool(1)) }
        for row in alone { if row.hasFailed { states.failed.insert(row.id) } else { states.waiting.insert(row.id) } }
        func together(_ isTaken: Query) -> Query {
            """
            SELECT m FROM delivery_batches AS b, remaining_messages(message_ids, done) AS m
            WHERE webhook_key = \(key) AND group_id = \(group) AND \(isTaken)
                AND batch_id BETWEEN \(first.subtracting(PayloadSweep.batchSpan)) AND \(last)
                AND m = ANY(\(ids))
            """
        }
        states.waiting.formUnion(
            try db.query("\(together("leased_by IS NULL")) UNION ALL \(together("leased_by IS NOT NULL"))") {
                try $0.int64(0)
            })
        if self.selection.status == .succeeded {
            states.succeeded = Set(try db.query(self.logged(ids, from: first, to: last)) { try $0.int64(0) })
        }
        return states
    }

    private func logged(_ ids: [Int64], from first: Int64, to last: Int64) -> Query {
        let (key, group) = (self.target.key.rawValue, self.target.group)
        let (start, end) = (
            MessageID(rawValue: first).time - .seconds(60), MessageID(rawValue: last).time + Self.longestBacklog
        )
        return """
            SELECT m FROM attempts AS a, unnest(coalesce(items, ARRAY[message_id])) AS m
            WHERE message_id BETWEEN \(first.subtracting(Self.bundleSpan)) AND \(last) AND webhook_key = \(key)
                AND group_id = \(group) AND coalesce(succeeded, status BETWEEN 200 AND 299) AND m = ANY(\(ids))
            UNION ALL
            SELECT m FROM attempt_batches AS b, unnest(message_ids) AS m
            WHERE webhook_key = \(key) AND group_id = \(group) AND last_at BETWEEN \(start) AND \(end) AND first_message_id <= \(last)
                AND last_message_id >= \(first) AND m = ANY(\(ids))
            """
    }
}

/// The payloads of messages that are gone through in their order: read when they are asked for, some at a time.
struct ResendPayloads {
    private var left: ArraySlice<ResendWalk.Seen>
    private var loaded: [Int64: Read] = [:]

    struct Read {
        var payload: [UInt8] = []
        var decoder: PayloadDecoder?
        var properties: MessageProperties?

        func index(of message: ResendWalk.Seen, paths: PathSet) -> PayloadIndex {
            var index = PayloadIndex(
                self.payload, by: self.decoder, received: MessageID(rawValue: message.id).time, paths: paths)
            index.properties = self.properties
            return index
        }
    }

    init(_ seen: [ResendWalk.Seen]) {
        self.left = seen[...]
    }

    /// Empty if it has gone meanwhile.
    mutating func payload(of message: ResendWalk.Seen, on db: isolated Connection) throws -> Read {
        if let known = self.loaded.removeValue(forKey: message.id) { return known }
        self.left = self.left.drop { $0.id < message.id }
        var (ids, bytes): ([Int64], Int64) = ([], 0)
        while let next = self.left.first, ids.isEmpty || bytes + next.bytes <= ResendWalk.mostBytes {
            ids.append(next.id)
            bytes += next.bytes
            self.left.removeFirst()
        }
        let read = try db.query("SELECT id, payload, decode, properties FROM messages WHERE id = ANY(\(ids))") {
            (
                try $0.int64(0),
                Read(payload: try $0.bytes(1), decoder: try $0.decoder(2), properties: try $0.properties(3))
            )
        }
        try DescriptorSets.load(for: read, decoder: { $0.1.decoder }, on: db)
        self.loaded = Dictionary(read) { first, _ in first }
        return self.loaded.removeValue(forKey: message.id) ?? Read()
    }
}
