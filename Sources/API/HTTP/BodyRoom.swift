internal import HTTPTypes
internal import Synchronization

/// How much of requests' bodies may be in memory: whoever is let in may send one, over each of thousands of connections, and take their
/// time.
///
/// A caller may have as much as is left to the others, and no more than a bound of their own, so that small ones find room whoever else
/// takes what they can.
final class BodyRoom: Sendable {
    /// Of all callers together, in bytes.
    private let most: Int
    private let mostOfOne: Int
    private let taken = Mutex<(all: Int, each: [String: Int])>((0, [:]))

    init(most: Int = 128 * 1024 * 1024, mostOfOne: Int = 16 * 1024 * 1024) {
        self.most = most
        self.mostOfOne = mostOfOne
    }

    /// Takes what a body may need, which is given back when it is known what it has needed, and in the end.
    ///
    /// - Throws: 429 if this caller has too much of it, 503 if all have.
    func take(_ bytes: Int, of caller: String) throws(APIError) {
        let (own, hasRoom) = self.taken.withLock { taken in
            let (own, all) = (taken.each[caller, default: 0] + bytes, taken.all + bytes)
            let hasRoom = own <= min(self.mostOfOne, self.most - all)
            if hasRoom {
                taken.each[caller] = own
                taken.all = all
            }
            return (own, hasRoom)
        }
        guard !hasRoom else { return }
        guard own <= self.mostOfOne else {
            throw .tooMany(
                "the bodies of your requests have more than \(self.mostOfOne / 1_048_576) MiB together",
                after: 1_000_000_000)
        }
        throw APIError(
            status: .serviceUnavailable, message: "too many bodies of requests are being read at this moment",
            headers: [.retryAfter: "1"])
    }

    func give(_ bytes: Int, of caller: String) {
        self.taken.withLock { taken in
            taken.all -= bytes
            let rest = taken.each[caller, default: 0] - bytes
            taken.each[caller] = rest > 0 ? rest : nil
        }
    }
}
