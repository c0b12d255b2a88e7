import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("What is over a webhook's rate")
    struct OverflowTests {
        private func skipped(_ installation: Installation, _ id: String) async throws -> Int? {
            try await installation.api.call("GET", "/webhooks/\(id)").number(of: "skipped")
        }

        /// Until what was left out and what was sent are all there was.
        private func waitForAll(
            _ count: Int, _ receiver: Receiver, _ installation: Installation, _ id: String
        ) async throws {
            try await waitUntil("all to be sent or left out") {
                let skipped = try await self.skipped(installation, id) ?? 0
                return skipped + receiver.requests.count == count
            }
            let numbers = receiver.requests.compactMap { Int($0.body.filter(\.isNumber)) }
            #expect(numbers == numbers.sorted() && numbers.last == count, "\(numbers)")
            #expect(numbers.count < count / 2)
            try await waitUntil("nothing to wait any more") {
                try await installation.api.call("GET", "/webhooks/\(id)/deliveries?status=waiting").body
                    .contains(#""total":0"#)
            }
            let log = try await installation.api.call("GET", "/webhooks/\(id)/log?status=SKIPPED")
            #expect(log.body.contains("rate_limit"))
        }

        @Test("waits as each thing's newest, if that is wanted: what goes out is never old")
        func latest() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                let id = try await installation.webhook(
                    "latest", receiver.url(),
                    #""rate_limit":{"per_second":0.5,"burst":1,"overflow":"latest_per_thing"}"#)
                try await installation.publish(1...200)
                try await self.waitForAll(200, receiver, installation, id)
            }
            await receiver.stop()
        }

        @Test("is left out from the oldest, if that is wanted")
        func oldest() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                let id = try await installation.webhook(
                    "newest", receiver.url(), #""rate_limit":{"per_second":1,"burst":3,"overflow":"drop_oldest"}"#)
                try await installation.publish(1...200)
                try await self.waitForAll(200, receiver, installation, id)
                #expect(receiver.has(body: #"{"n":199}"#) && receiver.has(body: #"{"n":198}"#))
            }
            await receiver.stop()
        }

        @Test("and has waited in the database is read before anything goes out, so that it is the newest")
        func backlog() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                let id = try await installation.webhook(
                    "gone", receiver.url(),
                    #""rate_limit":{"per_second":1,"burst":2,"overflow":"latest_per_thing"},"ordering":"none""#)
                receiver.set(.answer(410))
                try await installation.publish("1")
                try await waitUntil("it to be disabled") {
                    try await installation.api.call("GET", "/webhooks/\(id)").value(of: "status")
                        == "DISABLED_DUE_TO_ERRORS"
                }
                try await installation.publish(2...3_000)
                // Until it has heard that this is disabled, an instance may go on with what comes.
                try await waitUntil("all of them to wait, or to be left out") {
                    let skipped = try await self.skipped(installation, id) ?? 0
                    return try await installation.api.call("GET", "/webhooks/\(id)/deliveries?status=waiting").body
                        .contains(#""total":\#(3_000 - skipped)"#)
                }
                let tried = Set(receiver.requests.map(\.body))
                let before = receiver.requests.count
                receiver.set(.answer(200))
                let saved = try await installation.api.call(
                    "PUT", "/webhooks/status", #"{"webhook_ids":["\#(id)"],"status":"ENABLED"}"#)
                #expect(saved.status < 300)
                try await waitUntil("the newest") { receiver.has(body: #"{"n":3000}"#) }
                try await waitUntil("the others to be left out") {
                    try await self.skipped(installation, id) == 3_000 - tried.union([#"{"n":3000}"#]).count
                }
                #expect(tried.contains("1") && tried.count < 100)
                let bodies = Set(receiver.requests.dropFirst(before).map(\.body))
                #expect(bodies == tried.union([#"{"n":3000}"#]), "what was tried before is tried again")
            }
            await receiver.stop()
        }

        @Test("waits if it is sent again, what is new beside it", arguments: ["latest_per_thing", "drop_oldest"])
        func again(overflow: String) async throws {
            let receiver = try await Receiver.start()
            receiver.set(.answer(400))
            try await Installation.with { installation, _ in
                let api = installation.api
                let id = try await installation.webhook("again", receiver.url(), #""retry_client_errors":false"#)
                try await installation.publish(1...6)
                try await waitUntil("all to fail") {
                    try await api.call("GET", "/webhooks/\(id)/deliveries").body.contains(#""total":6"#)
                }
                receiver.set(.answer(200))
                let rate = #"{"per_second":1,"burst":1,"overflow":"\#(overflow)"}"#
                let saved = try await api.call(
                    "PUT", "/webhooks/\(id)", #"{"name":"again","url":"\#(receiver.url())","rate_limit":\#(rate)}"#)
                #expect(saved.status == 200)
                let before = receiver.requests.count
                let replayed = try await api.call("POST", "/webhooks/\(id)/replay", #"{"since":0}"#)
                #expect(replayed.status == 202)
                try await waitUntil("one to be sent again") { receiver.requests.count > before }
                try await installation.publish(7...9)
                try await waitUntil("the newest") { receiver.has(body: #"{"n":9}"#) }
                try await waitUntil("nothing to wait any more") {
                    try await api.call("GET", "/webhooks/\(id)/deliveries?status=waiting").body
                        .contains(#""total":0"#)
                }
                let sent = Set(receiver.requests.dropFirst(before).compactMap { Int($0.body.filter(\.isNumber)) })
                #expect(sent.isSuperset(of: 1...6) && sent.contains(9), "\(sent)")
            }
            await receiver.stop()
        }
    }
}
