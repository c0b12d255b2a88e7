import Domain
import Postgres
import Registry
import StoreTestSupport
import Testing

@Suite("Webhooks of a group")
struct WebhookLimitTests {
    @Test("are no more than it may have, however many callers add some at once")
    func most() async throws {
        let fixture = try await Fixture()
        let added = try await withThrowingTaskGroup(of: Bool.self) { callers in
            for number in 0..<8 {
                callers.addTask {
                    let webhook = Webhook(
                        id: .random(), group: fixture.group, name: "more \(number)",
                        url: try WebhookURL("http://example.com"), headers: [], policy: DeliveryPolicy())
                    do {
                        try await fixture.webhooks().create(
                            [(webhook, SigningKeys(current: WebhookStore.randomKey()))], most: 4)
                        return true
                    } catch is WebhookStore.TooMany {
                        return false
                    }
                }
            }
            return try await callers.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(added == 3, "one was there before")
        #expect(try await fixture.count("SELECT count(*) FROM webhooks") == 4)
    }
}
