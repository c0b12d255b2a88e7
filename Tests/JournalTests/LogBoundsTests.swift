import Journal
import Testing

@Suite("Offsets of a log")
struct LogBoundsTests {
    @Test(
        "are as far as one may read of all webhooks together",
        arguments: [(0, 5_000), (1, 5_000), (20, 5_000), (21, 4_761), (1_000, 100), (10_000, 10), (1_000_000, 0)]
            as [(Int, Int64)])
    func furthest(webhooks: Int, offset: Int64) {
        #expect(LogStore.furthestOffset(of: webhooks) == offset)
    }
}
