package import Domain

/// Messages of commits that were given up without anybody knowing whether they had been made.
///
/// They were not acknowledged, so the broker sends them again, and they get new ids. Then the former ones, should they be
/// in the database, are not wanted any more. A message that does not come again is delivered as it is there, if it is.
package struct UnresolvedCommits: Sendable {
    /// What tells a message that came again.
    private struct Content: Hashable {
        let thing: EntityID
        let subtopic: String
        let payload: [UInt8]

        init(_ message: Message) {
            self.thing = message.thing
            self.subtopic = message.subtopic
            self.payload = message.payload
        }
    }

    private var ids: [Content: [MessageID]] = [:]
    private var count = 0
    private var bytes = 0
    private let mostMessages: Int
    private let mostBytes: Int

    /// What goes beyond the limits is not remembered, and may be delivered twice.
    package init(mostMessages: Int = 50_000, mostBytes: Int = 8 * 1024 * 1024) {
        self.mostMessages = mostMessages
        self.mostBytes = mostBytes
    }

    package var isEmpty: Bool { self.count == 0 }

    package mutating func note(_ messages: some Sequence<Message>) {
        for message in messages where self.count < self.mostMessages && self.bytes < self.mostBytes {
            self.ids[Content(message), default: []].append(message.id)
            self.count += 1
            self.bytes += message.payload.count
        }
    }

    /// The former ids of messages that came again, one for each.
    package func former(of messages: [Message]) -> [MessageID] {
        guard !self.isEmpty else { return [] }
        var rest = self.ids
        var found: [MessageID] = []
        for message in messages {
            if let id = rest[Content(message)]?.popLast() { found.append(id) }
        }
        return found
    }

    /// The former ones of these messages are not there any more.
    package mutating func settle(_ messages: [Message]) {
        for message in messages {
            let content = Content(message)
            guard self.ids[content]?.popLast() != nil else { continue }
            self.count -= 1
            self.bytes -= message.payload.count
            if self.ids[content]?.isEmpty == true { self.ids[content] = nil }
        }
    }
}
