/// A message as the broker has it.
struct Publication {
    let number: Int
    let thing: Int
    let isPoison: Bool
}

/// A broker with persistent sessions: what was not acknowledged comes again, in order, to whoever has the client id next.
struct ModelBroker {
    private struct Session {
        var waiting: [Publication] = []
        var unacknowledged: [Publication] = []
        var isSubscribed = true
        /// The connection that has the client id, if one has.
        var connection: Int?
    }

    private var sessions: [String: Session] = [:]
    private var lastConnection = 0

    var isEmpty: Bool { self.sessions.values.allSatisfy { $0.waiting.isEmpty && $0.unacknowledged.isEmpty } }
    var clients: [String] { self.sessions.keys.sorted() }

    /// - Parameter member: says which of the subscribers gets it.
    /// - Returns: whether there is one.
    mutating func publish(_ publication: Publication, to member: Int) -> Bool {
        let subscribers = self.sessions.filter(\.value.isSubscribed).keys.sorted()
        guard !subscribers.isEmpty else { return false }
        self.sessions[subscribers[member % subscribers.count]]?.waiting.append(publication)
        return true
    }

    /// Whoever had the client id is thrown out.
    mutating func connect(_ client: String, subscribes: Bool) -> Int {
        self.lastConnection += 1
        var session = self.sessions[client] ?? Session()
        session.waiting = session.unacknowledged + session.waiting
        session.unacknowledged = []
        session.isSubscribed = subscribes
        session.connection = self.lastConnection
        self.sessions[client] = session
        return self.lastConnection
    }

    func isConnected(_ client: String, _ connection: Int) -> Bool {
        self.sessions[client]?.connection == connection
    }

    mutating func receive(_ client: String, upTo most: Int) -> [Publication] {
        guard var session = self.sessions[client] else { return [] }
        let batch = Array(session.waiting.prefix(most))
        session.waiting.removeFirst(batch.count)
        session.unacknowledged += batch
        self.sessions[client] = session
        return batch
    }

    mutating func acknowledge(_ client: String, _ batch: [Publication]) {
        let numbers = Set(batch.map(\.number))
        self.sessions[client]?.unacknowledged.removeAll { numbers.contains($0.number) }
    }

    mutating func disconnect(_ client: String, _ connection: Int) {
        guard self.isConnected(client, connection) else { return }
        self.sessions[client]?.connection = nil
    }

    mutating func end(_ client: String) {
        self.sessions[client] = nil
    }
}
