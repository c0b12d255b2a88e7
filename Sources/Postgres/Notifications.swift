internal import CLibPQ
internal import Threads

/// What another session said with NOTIFY.
package struct Notification: Sendable, Equatable {
    package let channel: String
    package let payload: String

    package init(channel: String, payload: String) {
        self.channel = channel
        self.payload = payload
    }
}

/// How a connection that listens, to which the server owes nothing, makes sure that the server is still there.
package struct Heartbeat: Sendable {
    /// How long it may be silent before it is asked.
    package var interval: Duration
    /// How long it may take to answer then.
    package var timeout: Duration

    package init(interval: Duration = .seconds(10), timeout: Duration = .seconds(5)) {
        self.interval = interval
        self.timeout = timeout
    }
}

extension Connection {
    /// Starts listening on a channel.
    package func listen(to channel: String) throws(PostgresError) {
        // LISTEN takes no values; a quoted identifier with doubled quotes is exact for any name.
        try self.executeScript(
            "LISTEN \"\(channel.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\""))\"")
    }

    /// Waits for notifications on the channels this connection listens to, and answers all that are there.
    ///
    /// - Returns: empty when `timeout` passed, or when ``interrupt()`` was called.
    /// - Throws: ``PostgresError`` also when the server does not answer a heartbeat.
    package func notifications(
        within timeout: Duration, heartbeat: Heartbeat = Heartbeat()
    ) throws(PostgresError) -> [Notification] {
        try self.checkUsable()
        let deadline = ContinuousClock.now + timeout
        while true {
            guard unsafe PQconsumeInput(self.handle.raw) == 1 else { throw self.broken() }
            let found = self.takeNotifications()
            let now = ContinuousClock.now
            if !found.isEmpty {
                self.lastHeard = now
                return found
            }
            let beatAt = (self.lastHeard ?? now) + heartbeat.interval
            if self.lastHeard == nil { self.lastHeard = now }
            if now >= beatAt {
                if try self.beat(within: heartbeat.timeout) { return self.takeNotifications() }
                continue
            }
            let end = min(deadline, beatAt)
            switch unsafe self.executor.wait(for: PQsocket(self.handle.raw), events: .readable, until: end) {
            case .ready: continue
            case .woken: return []
            case .timedOut where end == deadline: return []
            case .timedOut: continue
            }
        }
    }

    /// Asks the server for an answer.
    ///
    /// - Returns: whether somebody wanted to interrupt it meanwhile.
    private func beat(within timeout: Duration) throws(PostgresError) -> Bool {
        var question: Query = "SELECT 1"
        question.timeout = timeout
        self.wasWoken = false
        do throws(PostgresError) {
            try self.execute(question)
        } catch {
            // Others need not wait for it as well to find out.
            if error.kind == .timeout, let server = self.server { self.memory.leave(server) }
            throw error
        }
        self.lastHeard = .now
        return self.wasWoken
    }

    /// Ends a ``notifications(within:heartbeat:)`` that is under way.
    package nonisolated func interrupt() {
        self.executor.wake()
    }

    private func takeNotifications() -> [Notification] {
        var found: [Notification] = []
        while let notify = unsafe PQnotifies(self.handle.raw) {
            found.append(
                unsafe Notification(
                    channel: String(cString: notify.pointee.relname), payload: String(cString: notify.pointee.extra)))
            unsafe PQfreemem(notify)
        }
        return found
    }
}
