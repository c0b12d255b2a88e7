internal import Synchronization
package import Values

/// The id of a message: when it came in, which session took it, and a count. Ids grow with time, so they order
/// messages, and a range of time is a range of ids.
///
/// Layout of the 63 bits, from the top: 41 bits of milliseconds since 2024-01-01 UTC (good until 2093), 10 bits of the
/// session's slot, 12 bits of count within the millisecond.
package struct MessageID: RawRepresentable, Hashable, Sendable, Comparable, Codable {
    package let rawValue: Int64
    package init(rawValue: Int64) { self.rawValue = rawValue }

    /// 2024-01-01T00:00:00Z.
    package static let epochMilliseconds: Int64 = 1_704_067_200_000
    package static let slotCount: Int64 = 1 << 10
    fileprivate static let countBits: Int64 = 12
    fileprivate static let timeShift: Int64 = 22
    /// How many ids a millisecond has.
    package static let perMillisecond: Int64 = 1 << Self.timeShift

    package var millisecondsSince1970: Int64 { (self.rawValue >> Self.timeShift) + Self.epochMilliseconds }

    package var time: Instant { Instant(clampingMilliseconds: self.millisecondsSince1970) }

    /// The smallest id of that millisecond: the bound of a range of time. Beyond what ids can say it is the largest.
    package static func first(at time: Instant) -> MessageID {
        let milliseconds = max(0, time.milliseconds - Self.epochMilliseconds)
        return MessageID(rawValue: milliseconds <= Int64.max >> Self.timeShift ? milliseconds << Self.timeShift : .max)
    }

    package static func < (lhs: MessageID, rhs: MessageID) -> Bool { lhs.rawValue < rhs.rawValue }
}

/// Makes ids that never repeat: they grow even if the clock is set back.
package final class MessageIDGenerator: Sendable {
    private struct State {
        var slotBits: Int64
        /// Milliseconds and the count within them, together.
        var last: Int64 = 0
    }

    private let state: Mutex<State>
    private let now: @Sendable () -> Int64

    /// - Parameters:
    ///   - slot: 0 to 1023; no two sessions that live at a time have the same.
    ///   - now: milliseconds since 1970.
    package init(slot: Int64, now: @escaping @Sendable () -> Int64) {
        self.state = Mutex(State(slotBits: Self.bits(of: slot)))
        self.now = now
    }

    private static func bits(of slot: Int64) -> Int64 { (slot % MessageID.slotCount) << MessageID.countBits }

    /// Makes ids in another slot from now on: the former one has been given to somebody else.
    package func change(slot: Int64) {
        self.state.withLock { $0.slotBits = Self.bits(of: slot) }
    }

    /// The next `count` ids, in order.
    package func next(_ count: Int) -> [MessageID] {
        let milliseconds = self.now() - MessageID.epochMilliseconds
        return self.state.withLock { state in
            // A burst of over 4,096 borrows from the future.
            state.last = max(state.last, milliseconds << MessageID.countBits)
            return (0..<count).map { _ in
                state.last += 1
                let time = state.last >> MessageID.countBits
                let position = state.last & ((1 << MessageID.countBits) - 1)
                return MessageID(rawValue: (time << MessageID.timeShift) | state.slotBits | position)
            }
        }
    }
}
