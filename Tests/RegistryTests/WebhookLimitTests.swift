import Domain
import Postgres
import Registry
import Schema
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

@Suite("Triggers that builds before do not know")
struct StoredTriggerTests {
    @Test(
        "are not saved while one lives that would fire them for all messages, or not at all",
        arguments: [
            (Trigger(paths: ["t"]), 4, "trigger.paths"), (Trigger(kind: .logEvent), 4, "trigger.type"),
            (Trigger(kind: .userMetaUpdated), 4, "trigger.type"),
            (Trigger(kind: .userSelfRegistered), 4, "trigger.type"),
            (Trigger(kind: .thingConnected), 5, "trigger.type"), (Trigger(kind: .thingDisconnected), 4, "trigger.type"),
            (Trigger(labels: ["a"]), 2, "trigger.labels"), (Trigger(named: TriggerName(.deviceAdded)), 0, nil),
        ] as [(Trigger, Int16, String?)])
    func earlier(trigger: Trigger, reads: Int16, field: String?) async throws {
        let fixture = try await Fixture()
        _ = try await fixture.store()
        var options = WebhookOptions()
        options.trigger = trigger
        let draft = try WebhookDraft(name: "w", url: "http://example.com", headers: [], options: options)
        _ = try await fixture.database.pool.withConnection { try $0.execute("UPDATE sessions SET reads = \(reads)") }
        var refused: String?
        do {
            _ = try await fixture.webhooks().update(fixture.webhook) { _ in draft }
        } catch StorageError.notYet(let place) {
            refused = place
        }
        #expect(refused == field)
        _ = try await fixture.database.pool.withConnection { try $0.execute("UPDATE sessions SET reads = 6") }
        let saved = try await fixture.webhooks().update(fixture.webhook) { _ in draft }
        #expect(saved?.options.trigger == trigger)
        #expect(try await fixture.webhooks().find(fixture.webhook)?.options.trigger == trigger)
    }

    @Test("nor are answers that it would not keep")
    func kept() async throws {
        let fixture = try await Fixture()
        _ = try await fixture.store()
        var options = WebhookOptions()
        options.responds = true
        options.answer = ThingAnswer(keptFor: 60)
        let draft = try WebhookDraft(name: "w", url: "http://example.com", headers: [], options: options)
        _ = try await fixture.database.pool.withConnection { try $0.execute("UPDATE sessions SET reads = 4") }
        await #expect(throws: StorageError.tooNew(field: "respond.keep_for")) {
            try await fixture.webhooks().update(fixture.webhook) { _ in draft }
        }
    }
}
