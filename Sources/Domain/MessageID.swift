internal import Synchronization

/// The id of a message: when it came in, which session took it, and a count. Ids grow with time, so they order
/// messages, and a range of time is a range of ids.
///
/// Layout of the 63 bits, from the top: 41 bits of milliseconds since 2024-01-01 UTC (good until 2093), 10 bits of the
/// session's slot, 12 bits of count within the millisecond.
package struct MessageID: RawRepresentable, Hashable, Sendable, Comparable {
    package let rawValue: Int64
    package init(rawValue: Int64) { self.rawValue = rawValue }

    /// 2024-01-01T00:00:00Z.
    package static let epochMilliseconds: Int64 = 1_704_067_200_000
    package static let slotCount: Int64 = 1 << 10
    fileprivate static let countBits: Int64 = 12
    fileprivate static let timeShift: Int64 = 22

    package var millisecondsSince1970: Int64 { (self.rawValue >> Self.timeShift) + Self.epochMilliseconds }

    /// The smallest id of that millisecond: the bound of a range of time.
    package static func first(atMillisecondsSince1970 time: Int64) -> MessageID {
        MessageID(rawValue: max(0, time - Self.epochMilliseconds) << Self.timeShift)
    }

    package static func < (lhs: MessageID, rhs: MessageID) -> Bool { lhs.rawValue < rhs.rawValue }
}

/// Makes ids that never repeat: they grow even if the clock is set back.
package final class MessageIDGenerator: Sendable {
    private let slotBits: Int64
    private let last: Mutex<Int64>
    private let now: @Sendable () -> Int64

    /// - Parameters:
    ///   - slot: 0 to 1023; no two sessions that live at a time have the same.
    ///   - now: milliseconds since 1970.
    package init(slot: Int64, now: @escaping @Sendable () -> Int64) {
        self.slotBits = (slot % MessageID.slotCount) << MessageID.countBits
        self.last = Mutex(0)
        self.now = now
    }

    /// The next `count` ids, in order.
    package func next(_ count: Int) -> [MessageID] {
        let milliseconds = self.now() - MessageID.epochMilliseconds
        return self.last.withLock { last in
            // `last` counts milliseconds and the count together; a burst of over 4,096 borrows from the future.
            last = max(last, milliseconds << MessageID.countBits)
            return (0..<count).map { _ in
                last += 1
                let time = last >> MessageID.countBits
                let position = last & ((1 << MessageID.countBits) - 1)
                return MessageID(rawValue: (time << MessageID.timeShift) | self.slotBits | position)
            }
        }
    }
}
