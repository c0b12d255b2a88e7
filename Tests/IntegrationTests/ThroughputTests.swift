import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("How fast a webhook may be, and why it is not")
    struct ThroughputTests {
        private func shown(_ installation: Installation, _ id: String) async throws -> String {
            try await installation.api.call("GET", "/webhooks/\(id)").body
        }

        @Test("without order a thing's messages are on their way at the same time; otherwise one at a time")
        func order() async throws {
            let (side, line) = (try await Receiver.start(), try await Receiver.start())
            try await Installation.with { installation, _ in
                side.set(.hang)
                line.set(.hang)
                let none = try await installation.webhook("side by side", side.url(), #""ordering":"none""#)
                let first = try await installation.webhook("in line", line.url(), #""ordering":"first""#)
                #expect(try await self.shown(installation, none).contains(#""ordering":"none""#))
                #expect(try await self.shown(installation, first).contains(#""ordering":"first""#))
                try await installation.publish(1...4)
                try await waitUntil("all that there may be at a time of a new receiver") { side.requests.count == 4 }
                #expect(line.requests.count == 1)
                try await waitUntil("it to be told why the others wait") {
                    try await self.shown(installation, first).contains(#""reason":"order""#)
                }
                #expect(try await !self.shown(installation, none).contains("waiting_for"))
            }
            await side.stop()
            await line.stop()
        }

        @Test("more and more requests go out at a time to a receiver that takes its time, if there are so many")
        func grows() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                receiver.set(.delay(.milliseconds(200)))
                _ = try await installation.webhook("slow", receiver.url(), #""ordering":"none""#)
                try await installation.publish(1...1_500)
                try await waitUntil("all of them") { receiver.bodies.unique == 1_500 }
                #expect(receiver.mostAtOnce > 16)
            }
            await receiver.stop()
        }

        @Test("no more than a webhook says it may have are on their way at a time")
        func most() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                receiver.set(.delay(.milliseconds(20)))
                let id = try await installation.webhook(
                    "careful", receiver.url(), #""ordering":"none","max_in_flight":2"#)
                #expect(try await self.shown(installation, id).contains(#""max_in_flight":2"#))
                try await installation.publish(1...60)
                try await waitUntil("all of them") { receiver.bodies.unique == 60 }
                #expect(receiver.mostAtOnce == 2)
            }
            await receiver.stop()
        }

        @Test("a message to hundreds of webhooks goes to each of them, and a thing's messages in their order")
        func many() async throws {
            let receiver = try await Receiver.start()
            let webhooks = 600
            try await Installation.with { installation, _ in
                let all = (1...webhooks).map { #"{"name":"\#($0)","url":"\#(receiver.url("/\($0)"))"}"# }
                _ = try await installation.api.create(
                    "/groups/\(installation.group)/webhooks", "[\(all.joined(separator: ","))]")
                try await installation.publish(1...5)
                try await waitUntil("all of them") { receiver.requests.count == webhooks * 5 }
            }
            let bodies = Dictionary(grouping: receiver.requests, by: \.path).mapValues { $0.map(\.body) }
            #expect(bodies.count == webhooks)
            #expect(bodies.values.allSatisfy { $0 == (1...5).map { #"{"n":\#($0)}"# } })
            await receiver.stop()
        }

        @Test("a webhook that falls behind says what it waits for")
        func reasons() async throws {
            let (well, failing) = (try await Receiver.start(), try await Receiver.start())
            try await Installation.with { installation, _ in
                failing.set(.answer(500))
                let limited = try await installation.webhook(
                    "limited", well.url(), #""rate_limit":{"per_second":0.01,"burst":1}"#)
                let broken = try await installation.webhook(
                    "broken", failing.url(), #""ordering":"none","failure_limit":0,"retry_schedule":[1]"#)
                let fine = try await installation.webhook("fine", well.url("/fine"))
                try await installation.publish(1...20)
                try await waitUntil("the reasons") {
                    let texts = [
                        try await self.shown(installation, limited), try await self.shown(installation, broken),
                    ]
                    return texts[0].contains(#""reason":"rate""#) && texts[1].contains(#""reason":"breaker""#)
                }
                #expect(try await !self.shown(installation, fine).contains("waiting_for"))
            }
            await well.stop()
            await failing.stop()
        }
    }
}
