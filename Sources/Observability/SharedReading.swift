/// What several look at at the same time, read once for all of them.
///
/// A reading is good for a while, or for twenty times as long as it took, if that is more: so that looking takes a twentieth of a
/// connection's time at the most, however many look, and however much there is to be counted.
package actor SharedReading<Key: Hashable & Sendable, Value: Sendable> {
    private struct Reading {
        var result: Result<Value, any Error>?
        var goodUntil: ContinuousClock.Instant
        /// Those who wait for the one who reads.
        var waiting: [CheckedContinuation<Void, Never>]?
    }

    private let lifetime: Duration
    private let now: @Sendable () -> ContinuousClock.Instant
    private var readings: [Key: Reading] = [:]

    /// - Parameter lifetime: how long a reading is good at least, and for how long what went wrong is told again.
    package init(lifetime: Duration, now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }) {
        self.lifetime = lifetime
        self.now = now
    }

    package var count: Int { self.readings.count }

    /// - Throws: what whoever read met, which is shared as well.
    package func value(of key: Key, read: @Sendable () async throws -> Value) async throws -> Value {
        while self.readings[key]?.waiting != nil {
            await withCheckedContinuation { self.readings[key]?.waiting?.append($0) }
        }
        let start = self.now()
        if let reading = self.readings[key], let result = reading.result, start < reading.goodUntil {
            return try result.get()
        }
        self.readings = self.readings.filter { $0.value.waiting != nil || start < $0.value.goodUntil }
        self.readings[key] = Reading(result: nil, goodUntil: start, waiting: [])
        let result: Result<Value, any Error>
        do { result = .success(try await read()) } catch { result = .failure(error) }
        let end = self.now()
        let waiting = self.readings[key]?.waiting ?? []
        switch result {
        case .success:
            self.readings[key] = Reading(
                result: result, goodUntil: max(start + self.lifetime, end + (end - start) * 20))
        // Who looks no more has ended nobody's reading but their own.
        case .failure(is CancellationError): self.readings[key] = nil
        // However long it took to fail, it may be well again soon.
        case .failure: self.readings[key] = Reading(result: result, goodUntil: end + self.lifetime)
        }
        for one in waiting { one.resume() }
        return try result.get()
    }
}
