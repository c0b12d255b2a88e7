package import Values

/// What is known of a thing whose messages a webhook with an edge looks at; there is none of one that is as it should be.
package struct Alarm: Sendable, Equatable {
    /// The message with which the conditions began to be met. Its time is since when they are.
    package let raised: MessageID
    /// The message that changed this last: a change of what is not so any more is none.
    package let changed: MessageID
    /// Whether they have been met for as long as they have to be.
    package let isActive: Bool

    package init(raised: MessageID, changed: MessageID, isActive: Bool) {
        self.raised = raised
        self.changed = changed
        self.isActive = isActive
    }

    package var since: Instant { self.raised.time }
}

/// As it is remembered beside the values of rules, by who goes through old messages.
extension Alarm {
    /// The number of no rule.
    package static let rule = -1

    package var remembered: String {
        "\(self.raised.rawValue) \(self.changed.rawValue) \(self.isActive ? "active" : "pending")"
    }

    package init?(remembered text: String) {
        let parts = text.split(separator: " ")
        guard parts.count == 3, let raised = Int64(parts[0]), let changed = Int64(parts[1]) else { return nil }
        self.init(
            raised: MessageID(rawValue: raised), changed: MessageID(rawValue: changed), isActive: parts[2] == "active")
    }
}

/// That a thing's conditions have begun or ceased to be met, as a webhook is told.
package struct Crossing: Sendable, Equatable {
    package enum State: String, Sendable, CaseIterable { case active, normal }

    /// What it is now.
    package let state: State
    /// Since when the conditions are met, or were until now.
    package let since: Instant

    package init(to state: State, since: Instant) {
        self.state = state
        self.since = since
    }

    package var previous: State { self.state == .active ? .normal : .active }
}
