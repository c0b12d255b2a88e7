internal import Domain
internal import Queue
internal import Registry
internal import Synchronization

/// What each source may be called per second, by this instance: those with its key or signature, and apart from them, so that
/// they cannot keep them out, those without.
final class SourceLimits: Sendable {
    enum Who: Sendable {
        case callers, strangers
    }

    /// Beyond these calls that are not valid are refused without a word in the log.
    static let strangers = RateLimit(perSecond: 10, burst: 100)
    /// How many refusals of a kind the log of a source gets a row for; the others are counted in the next one.
    static let rows = RateLimit(perSecond: 0.2, burst: 20)
    /// Sources that are remembered; then all are forgotten, and have their bursts anew.
    private static let most = 10_000

    private struct Entry {
        var version: Int64
        var callers: TokenBucket
        var strangers: TokenBucket
        var rows: [SourceOutcome: (bucket: TokenBucket, uncounted: Int64)] = [:]
    }

    private let entries = Mutex<[EntityID: Entry]>([:])

    /// Takes one call, or answers how many nanoseconds until there is one.
    func take(_ who: Who, of door: SourceDoor, now: Int64) -> Int64? {
        self.withEntry(of: door, now: now) { entry in
            switch who {
            case .callers: entry.callers.take(now: now)
            case .strangers: entry.strangers.take(now: now)
            }
        }
    }

    /// Counts a refusal.
    ///
    /// - Returns: how many a row is to tell of now; nil if a later one will.
    func count(_ outcome: SourceOutcome, of door: SourceDoor, now: Int64) -> Int64? {
        self.withEntry(of: door, now: now) { entry in
            var row = entry.rows[outcome] ?? (TokenBucket(Self.rows, now: now), 0)
            defer { entry.rows[outcome] = row }
            row.uncounted += 1
            guard row.bucket.take(now: now) == nil else { return nil }
            defer { row.uncounted = 0 }
            return row.uncounted
        }
    }

    private func withEntry<Value: Sendable>(
        of door: SourceDoor, now: Int64, _ body: (inout Entry) -> Value
    ) -> Value {
        self.entries.withLock { entries in
            if entries.count > Self.most { entries = [:] }
            let limit = door.settings.rateLimit ?? SourceSettings.defaultRate
            var entry =
                entries[door.id]
                ?? Entry(
                    version: door.version, callers: TokenBucket(limit, now: now),
                    strangers: TokenBucket(Self.strangers, now: now))
            if entry.version != door.version {
                entry.callers.change(to: limit, now: now)
                entry.version = door.version
            }
            defer { entries[door.id] = entry }
            return body(&entry)
        }
    }
}
