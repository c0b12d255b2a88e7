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

    /// Reads `5s,5m,30m,2h`; units are ms, s, m, h and d.
    package init?(_ text: String) {
        let waits = text.split(separator: ",", omittingEmptySubsequences: false).map {
            Duration(text: $0.trimmingSpaces)
        }
        guard !waits.isEmpty, waits.allSatisfy({ $0 != nil }) else { return nil }
        self.init(waits: waits.compactMap { $0 })
    }
}

extension Duration {
    /// Reads `250ms`, `5s`, `5m`, `2h`, `7d`.
    package init?(text: some StringProtocol) {
        let digits = text.prefix { ("0"..."9").contains($0) }
        guard let number = Int64(digits), number <= 1_000_000_000 else { return nil }
        switch text[digits.endIndex...] {
        case "ms": self = .milliseconds(number)
        case "s": self = .seconds(number)
        case "m": self = .seconds(number * 60)
        case "h": self = .seconds(number * 3_600)
        case "d": self = .seconds(number * 86_400)
        default: return nil
        }
    }

    package var milliseconds: Int64 {
        let (seconds, attoseconds) = self.components
        return seconds * 1_000 + attoseconds / 1_000_000_000_000_000
    }
}

extension StringProtocol {
    package var trimmingSpaces: String {
        String(String(self.drop { $0 == " " }.reversed().drop { $0 == " " }).reversed())
    }
}
