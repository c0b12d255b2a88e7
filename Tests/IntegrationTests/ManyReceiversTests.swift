import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("Many receivers that cannot be sent to")
    struct ManyReceiversTests {
        private static let messages = 400
        private static let webhooks = 24

        private struct Receivers {
            /// Refuses connections until it is started again.
            var away: Receiver
            let hanging: Receiver
            let limited: Receiver

            static func start() async throws -> Receivers {
                let receivers = Receivers(
                    away: try await Receiver.start(), hanging: try await Receiver.start(),
                    limited: try await Receiver.start())
                await receivers.away.stop()
                for number in 0..<ManyReceiversTests.webhooks { receivers.hanging.set(.hang, at: "/\(number)") }
                return receivers
            }

            mutating func comeBack() async throws {
                self.away = try await Receiver.start(port: self.away.port)
                for number in 0..<ManyReceiversTests.webhooks { self.hanging.set(.answer(200), at: "/\(number)") }
            }

            func stop() async {
                for receiver in [self.away, self.hanging, self.limited] { await receiver.stop() }
            }
        }

        /// A group beside the others, with one webhook.
        ///
        /// - Returns: the topic of its thing.
        private func addHealthyGroup(_ installation: Installation, _ receiver: Receiver) async throws -> String {
            let group = try await installation.api.create("/groups", #"[{"name":"healthy"}]"#)
            let profile = try await installation.api.create(
                "/groups/\(group)/profiles", #"[{"name":"p","config":{"webhook":true}}]"#)
            _ = try await installation.api.create(
                "/groups/\(group)/webhooks", #"[{"name":"w","url":"\#(receiver.url("/healthy"))"}]"#)
            let thing = try await installation.api.create(
                "/groups/\(group)/things", #"[{"name":"t","profile_id":"\#(profile)"}]"#)
            return "things/\(thing)/messages"
        }

        private func addWebhooks(_ installation: Installation, _ receivers: Receivers) async throws {
            for number in 0..<Self.webhooks {
                switch number % 3 {
                case 0: _ = try await installation.webhook("away \(number)", receivers.away.url("/\(number)"))
                case 1: _ = try await installation.webhook("hangs \(number)", receivers.hanging.url("/\(number)"))
                default:
                    _ = try await installation.webhook(
                        "limited \(number)", receivers.limited.url("/\(number)"),
                        #""rate_limit":{"per_second":1,"burst":1}"#)
                }
            }
        }

        private func waiting(_ installation: Installation) async throws -> Int {
            let statement = """
                SELECT (SELECT coalesce(sum(deliveries), 0) FROM delivery_batches)
                    + (SELECT count(*) FROM deliveries)
                """
            return Int(try await installation.sql(statement).filter(\.isNumber)) ?? -1
        }

        @Test("keep next to nothing in memory, take nothing from others, and get all that waited when they are back")
        func besides() async throws {
            let healthy = try await Receiver.start()
            var receivers = try await Receivers.start()
            let settings = [
                "DELIVERY_FIRST_BYTE_TIMEOUT": "5s",
                "DELIVERY_RETRY_SCHEDULE": Array(repeating: "1s", count: 60).joined(separator: ","),
            ]
            try await Installation.with(settings: settings) { installation, running in
                let hookline = await running.hookline
                let topic = try await self.addHealthyGroup(installation, healthy)
                try await self.addWebhooks(installation, receivers)
                try await installation.publish(1...Self.messages)
                let all = Self.messages * Self.webhooks
                // What is under way, one for a probe, and for a rate what goes out in eight seconds and a request each.
                try await waitUntil("memory to be given back") {
                    let held = try await hookline.metric("hookline_deliveries_in_memory")
                    return held <= Self.webhooks * 8
                }
                for number in 1...40 { try await installation.publish("\(number)", topic: topic) }
                try await waitUntil("what is for the other group") { healthy.bodies.unique == 40 }
                let waits = try await self.waiting(installation)
                #expect(waits > all * 9 / 10, "the others have hardly begun")

                try await receivers.comeBack()
                let others = receivers
                try await waitUntil("what waited", within: .seconds(120)) {
                    (0..<Self.webhooks).allSatisfy { number in
                        switch number % 3 {
                        case 0: Set(others.away.requests(at: "/\(number)").map(\.body)).count == Self.messages
                        case 1: Set(others.hanging.requests(at: "/\(number)").map(\.body)).count == Self.messages
                        default: !others.limited.requests(at: "/\(number)").isEmpty
                        }
                    }
                }
                for number in stride(from: 2, to: Self.webhooks, by: 3) {
                    let bodies = receivers.limited.requests(at: "/\(number)").map(\.body)
                    #expect(bodies == (1...bodies.count).map { #"{"n":\#($0)}"# }, "in their order, each once")
                }
            }
            await receivers.stop()
            await healthy.stop()
        }
    }
}
