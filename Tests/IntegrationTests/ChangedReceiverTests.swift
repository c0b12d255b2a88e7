import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("A webhook whose url is changed")
    struct ChangedReceiverTests {
        @Test(
            "is not taken to fail because of what was under way to the former one, and its new receiver gets its share")
        func formerURL() async throws {
            let (former, new) = (try await Receiver.start(), try await Receiver.start())
            try await Installation.with { installation, running in
                let id = try await installation.webhook(
                    "moved", former.url(),
                    #""ordering":"none","failure_limit":3,"failure_window":0,"retry_schedule":[3600]"#)
                // It has to be known to do well with so many at a time.
                try await installation.publish(1...40)
                try await waitUntil("its receiver to be known") { former.bodies.unique == 40 }
                former.set(.hang)
                try await installation.publish(41...50)
                try await waitUntil("requests that hang") { former.requests.count == 50 }
                new.set(.hang)
                let saved = try await installation.api.call(
                    "PUT", "/webhooks/\(id)", #"{"name":"moved","url":"\#(new.url())"}"#)
                #expect(saved.status == 200, "\(saved.body)")
                await former.stop()
                try await waitUntil("them to have failed") {
                    var failed = 0
                    for kind in ["closed", "connect"] {
                        failed += try await running.hookline.metric(
                            "hookline_attempts_failed_total{kind=\"\(kind)\"}")
                    }
                    return failed == 10
                }
                // A receiver that fails would be asked by one request at a time.
                try await installation.publish(51...58)
                try await waitUntil("several requests at a time") { new.mostAtOnce >= 4 }
                let webhook = try await installation.api.call("GET", "/webhooks/\(id)")
                #expect(webhook.value(of: "status") == "ENABLED")
                #expect(webhook.number(of: "consecutive_failures") == 0, "\(webhook.body)")
                #expect(webhook.body.contains(#""state":"ok""#), "\(webhook.body)")
            }
            await new.stop()
        }
    }
}
