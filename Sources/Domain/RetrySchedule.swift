internal import Values

/// When a failed delivery is tried again.
package struct RetrySchedule: Sendable, Equatable {
    /// The waits after the first, second, … failed attempt. After the last of them the delivery has failed for good.
    package let waits: [Duration]
    /// How far a wait may differ either way, as a part of it, so that deliveries that failed together spread out.
    package let jitter: Double

    /// The schedule that Standard Webhooks recommends: ten attempts over 75 hours and 35 minutes.
    package static let standard = RetrySchedule(
        waits: [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400].map { .seconds($0) })

    package init(waits: [Duration], jitter: Double = 0.2) {
        self.waits = waits
        self.jitter = jitter
    }

    /// How many attempts a delivery gets in all.
    package var mostAttempts: Int { self.waits.count + 1 }

    /// The longest that a delivery can stay alive, waits alone.
    package var longest: Duration {
        self.waits.reduce(.zero, +) * (1 + self.jitter)
    }

    /// How long to wait after attempt number `attempt` (the first is 1) has failed; nil if that was the last.
    package func wait(after attempt: Int, using generator: inout some RandomNumberGenerator) -> Duration? {
        guard attempt >= 1, attempt <= self.waits.count else { return nil }
        let factor = 1 + self.jitter * Double.random(in: -1...1, using: &generator)
        return self.waits[attempt - 1] * factor
    }

    package static let mostWaits = 100

    /// Reads `5s,5m,30m,2h`; units are ms, s, m, h and d. No wait is longer than a delivery may become old.
    package init?(_ text: String) {
        let waits = text.split(separator: ",", omittingEmptySubsequences: false).map {
            Duration(text: $0.trimmingSpaces)
        }
        guard (1...Self.mostWaits).contains(waits.count),
            waits.allSatisfy({ $0.map { $0 <= .seconds(DeliveryPolicy.longestAge) } ?? false })
        else { return nil }
        self.init(waits: waits.compactMap { $0 })
    }
}

extension Duration {
    private static let mostOfAUnit: Int64 = 1_000_000_000

    /// Reads `250ms`, `5s`, `5m`, `2h`, `7d`. How long it may be is for who asks to say.
    package init?(text: some StringProtocol) {
        let digits = text.prefix { ("0"..."9").contains($0) }
        guard let number = Int64(digits), number <= Self.mostOfAUnit else { return nil }
        switch text[digits.endIndex...] {
        case "ms": self = .milliseconds(number)
        case "s": self = .seconds(number)
        case "m": self = .seconds(number * 60)
        case "h": self = .seconds(number * 3_600)
        case "d": self = .seconds(number * 86_400)
        default: return nil
        }
    }

    /// As ``init(text:)`` reads it: whole milliseconds, in the largest unit that leaves no rest.
    package var text: String {
        let units: [(String, Int64)] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)]
        let (name, length) = units.first { self.milliseconds.isMultiple(of: $0.1) } ?? ("ms", 1)
        return "\(self.milliseconds / length)\(name)"
    }

    /// Longer than anything is waited for or kept.
    package static let tenYears = Duration.seconds(3_650 * 86_400)

    package var milliseconds: Int64 {
        let (seconds, attoseconds) = self.components
        return seconds.multiplied(by: 1_000).adding(attoseconds / 1_000_000_000_000_000)
    }
}
