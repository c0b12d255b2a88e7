internal import HTTPTypes
internal import Synchronization

/// How much of requests' bodies may be in memory: whoever is let in may send one, over each of thousands of connections, and take their
/// time.
final class BodyRoom: Sendable {
    /// Of all callers together, in bytes.
    private let most: Int
    /// Of one, so that nobody takes it all.
    private let mostOfOne: Int
    private let taken = Mutex<(all: Int, each: [String: Int])>((0, [:]))

    init(most: Int = 128 * 1024 * 1024, mostOfOne: Int = 16 * 1024 * 1024) {
        self.most = most
        self.mostOfOne = mostOfOne
    }

    /// Carries out `body` with so much room, which is free again after that.
    ///
    /// - Throws: 429 if this caller has too much of it, 503 if all have; and what `body` throws.
    func with<Result>(_ bytes: Int, of caller: String, _ body: () async throws -> Result) async throws -> Result {
        try self.take(bytes, of: caller)
        defer { self.give(bytes, of: caller) }
        return try await body()
    }

    private func take(_ bytes: Int, of caller: String) throws(APIError) {
        let (own, all) = self.taken.withLock { taken in
            let (own, all) = (taken.each[caller, default: 0] + bytes, taken.all + bytes)
            if own <= self.mostOfOne, all <= self.most {
                taken.each[caller] = own
                taken.all = all
            }
            return (own, all)
        }
        guard own <= self.mostOfOne else {
            throw .tooMany(
                "the bodies of your requests have more than \(self.mostOfOne / 1_048_576) MiB together",
                after: 1_000_000_000)
        }
        guard all <= self.most else {
            throw APIError(
                status: .serviceUnavailable, message: "too many bodies of requests are being read at this moment",
                headers: [.retryAfter: "1"])
        }
    }

    private func give(_ bytes: Int, of caller: String) {
        self.taken.withLock { taken in
            taken.all -= bytes
            let rest = taken.each[caller, default: 0] - bytes
            taken.each[caller] = rest > 0 ? rest : nil
        }
    }
}
