import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("What is given up")
    struct GiveUpTests {
        @Test("in strict order lets what is behind it go, at once or after retries", arguments: [1, 2])
        func order(attempts: Int) async throws {
            let receiver = try await Receiver.start()
            receiver.set(.decide { (Int($0.body.filter(\.isNumber)) ?? 0) % 4 == 1 ? 500 : 200 })
            try await Installation.with { installation, _ in
                let webhook = try await installation.webhook(
                    "hook", receiver.url(),
                    """
                    "ordering":"thing","failure_limit":0,"max_attempts":\(attempts),"retry_schedule":[1,1]
                    """)
                try await installation.publish(1...12)
                try await waitUntil("all that can be delivered") { receiver.bodies.unique == 9 }
                #expect(
                    receiver.accepted.compactMap { Int($0.filter(\.isNumber)) } == (1...12).filter { $0 % 4 != 1 })
                try await waitUntil("the others to be listed") {
                    try await installation.api.call("GET", "/webhooks/\(webhook)/deliveries?status=failed")
                        .number(of: "total") == 3
                }
            }
            await receiver.stop()
        }
    }
}
