import Domain
import Testing

@Suite("Latency buckets")
struct LatencyBucketsTests {
    @Test("tell percentiles to about a quarter")
    func percentiles() throws {
        var buckets = LatencyBuckets()
        #expect(buckets.percentile(0.5) == nil)
        for milliseconds in 1...1_000 { buckets.record(microseconds: Int64(milliseconds) * 1_000) }
        for part in [0.1, 0.5, 0.9, 0.99] {
            let exact = part * 1_000_000
            let told = Double(try #require(buckets.percentile(part)))
            #expect(abs(told - exact) / exact < 0.3, "\(part): \(told)")
        }
        var twice = buckets
        twice.add(buckets)
        #expect(twice.percentile(0.5) == buckets.percentile(0.5))
        #expect(LatencyBuckets(counts: buckets.counts) == buckets)
    }

    @Test("have each what takes as long as they reach, and nothing that takes longer")
    func bounds() {
        for (index, bound) in LatencyBuckets.bounds.enumerated() {
            var buckets = LatencyBuckets()
            buckets.record(microseconds: bound)
            buckets.record(microseconds: bound + 1)
            #expect(buckets.counts[index] == 1 && buckets.counts[index + 1] == 1, "\(bound)")
        }
    }
}
