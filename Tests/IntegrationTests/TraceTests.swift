import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("Traces")
    struct TraceTests {
        private static let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        private static let span = "00f067aa0ba902b7"
        private static let publisher = "00-\(trace)-\(span)-01"

        private static func traced(_ traceparent: String = Self.publisher) -> [String] {
            ["-V", "5", "-D", "publish", "user-property", "traceparent", traceparent]
        }

        /// The spans that have come, each as its JSON from the trace's id on.
        private static func spans(_ collector: Receiver, _ name: String) -> [String] {
            collector.requests(at: "/v1/traces").flatMap { request in
                request.body.split(separator: #"{"traceId":""#).dropFirst().map(String.init)
            }.filter { $0.contains(#""name":"\#(name)","kind""#) }
        }

        private static func attribute(_ key: String, _ value: String) -> String {
            #"{"key":"\#(key)","value":{"stringValue":"\#(value)"}}"#
        }

        private static func number(_ key: String, _ value: Int) -> String {
            #"{"key":"\#(key)","value":{"intValue":"\#(value)"}}"#
        }

        @Test("of a message and its attempts go on in its publisher's, and the receiver's does in the attempt's")
        func joined() async throws {
            let (receiver, collector) = (try await Receiver.start(), try await Receiver.start())
            let settings = [
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:\(collector.port)/",
                "OTEL_EXPORTER_OTLP_HEADERS": "x-api-key=of%20the%20collector", "OTEL_SERVICE_NAME": "hooks",
                "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
                "OTEL_TRACES_SAMPLER": "parentbased_always_off",
            ]
            try await Installation.with(settings: settings) { installation, running in
                let id = try await installation.webhook("hook", receiver.url())
                try await installation.publish("1", more: Self.traced())
                try await waitUntil("the spans") {
                    !Self.spans(collector, "take").isEmpty && !Self.spans(collector, "deliver").isEmpty
                }
                let take = try #require(Self.spans(collector, "take").first)
                #expect(take.hasPrefix(Self.trace))
                #expect(take.contains(#""parentSpanId":"\#(Self.span)""#))
                #expect(take.contains(Self.number("messaging.batch.message_count", 1)))
                #expect(!take.contains(#""status""#))
                let deliver = try #require(Self.spans(collector, "deliver").first)
                #expect(deliver.hasPrefix(Self.trace))
                #expect(deliver.contains(#""parentSpanId":"\#(Self.span)""#))
                for expected in [
                    Self.attribute("hookline.webhook.id", id), Self.attribute("hookline.group.id", installation.group),
                    Self.attribute("hookline.thing.id", installation.thing),
                    Self.attribute("hookline.result", "succeeded"), Self.number("http.response.status_code", 200),
                    Self.number("hookline.attempt", 1), Self.number("server.port", receiver.port),
                    #""name":"connected"}"#,
                ] {
                    #expect(deliver.contains(expected), "\(expected) in \(deliver)")
                }
                let own = deliver.dropFirst(Self.trace.count + #"","spanId":""#.count).prefix(16)
                #expect(own != Self.span)
                #expect(receiver.requests.first?.headers["traceparent"] == "00-\(Self.trace)-\(own)-01")

                let request = try #require(collector.requests.first)
                #expect(request.method == "POST")
                #expect(request.headers["content-type"] == "application/json")
                #expect(request.headers["x-api-key"] == "of the collector")
                #expect(request.body.contains(Self.attribute("service.name", "hooks")))
                #expect(request.body.contains(Self.attribute("deployment.environment.name", "test")))

                // A retry has read its message back from the database.
                receiver.set(.answer(500), at: "/hook")
                try await installation.publish("2", more: Self.traced())
                try await waitUntil("an attempt that failed") {
                    Self.spans(collector, "deliver").contains {
                        $0.contains(Self.attribute("hookline.result", "retried"))
                    }
                }
                receiver.set(.answer(200), at: "/hook")
                try await waitUntil("the one that did not") {
                    Self.spans(collector, "deliver").filter {
                        $0.contains(Self.attribute("hookline.result", "succeeded"))
                    }.count == 2
                }
                let attempts = Self.spans(collector, "deliver")
                #expect(attempts.allSatisfy { $0.hasPrefix(Self.trace) })
                let failed = try #require(
                    attempts.first { $0.contains(Self.attribute("hookline.result", "retried")) })
                #expect(failed.contains(Self.number("http.response.status_code", 500)))
                #expect(failed.contains(Self.attribute("error.type", "status")))
                #expect(failed.contains(#""status":{"code":2}"#))

                // What the publisher does not record, or has no trace of, is left as it is.
                let unsampled = "00-\(Self.trace)-\(Self.span)-00"
                try await installation.publish("3", more: Self.traced(unsampled))
                try await installation.publish("4")
                try await waitUntil("these too") { receiver.has(body: "3") && receiver.has(body: "4") }
                #expect(receiver.requests.first { $0.body == "3" }?.headers["traceparent"] == unsampled)
                #expect(try #require(receiver.requests.first { $0.body == "4" }).headers["traceparent"] == nil)
                let hookline = await running.hookline
                try await waitUntil("all to be counted") {
                    try await hookline.metric("hookline_trace_spans_exported_total") == attempts.count + 2
                }
                #expect(try await hookline.metric(#"hookline_trace_spans_dropped_total{reason="full"}"#) == 0)
            }
            await collector.stop()
            await receiver.stop()
        }

        @Test("hold nothing up when the collector is away, and end with the service")
        func away() async throws {
            let receiver = try await Receiver.start()
            let settings = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:\(try freePort())/spans"]
            try await Installation.with(settings: settings) { installation, running in
                try await installation.addWebhook("hook", receiver.url())
                try await installation.publish(1...50)
                try await waitUntil("all of them") { receiver.requests.count == 50 }
                let traces = Set(receiver.requests.compactMap { $0.headers["traceparent"]?.dropFirst(3).prefix(32) })
                #expect(traces.count == 50, "each has a trace of its own")
                let hookline = await running.hookline
                try await waitUntil("the log to say so") {
                    Files.read(hookline.logFile)?.contains("the collector takes no traces") == true
                }
                try await installation.publish("after")
                try await waitUntil("what came after") { receiver.has(body: "after") }
                hookline.process.signal(15)
                #expect(await hookline.process.waitForExit() == "exited(0)")
            }
            await receiver.stop()
        }

        @Test("are told in Protobuf and compressed where that is wanted; the last of them when the service ends")
        func protobuf() async throws {
            let (receiver, collector) = (try await Receiver.start(), try await Receiver.start())
            let settings = [
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": collector.url("/spans?of=hookline"),
                "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
            ]
            try await Installation.with(settings: settings) { installation, running in
                try await installation.addWebhook("hook", receiver.url())
                try await installation.publish(1...20)
                try await waitUntil("all of them") { receiver.requests.count == 20 }
                let process = await running.hookline.process
                process.signal(15)
                #expect(await process.waitForExit() == "exited(0)")
            }
            #expect(!collector.requests.isEmpty)
            for request in collector.requests {
                #expect(request.path == "/spans?of=hookline")
                #expect(request.headers["content-type"] == "application/x-protobuf")
            }
            // What would not be smaller goes out as it is.
            let compressed = try #require(collector.requests.first { $0.headers["content-encoding"] == "gzip" })
            #expect(Array(compressed.bytes.prefix(2)) == [0x1F, 0x8B])
            await collector.stop()
            await receiver.stop()
        }

        @Test("that the collector does not take are counted")
        func rejected() async throws {
            let collector = try await Receiver.start()
            collector.set(
                .content(200, #"{"partialSuccess":{"rejectedSpans":"1","errorMessage":"one too many"}}"#),
                at: "/v1/traces")
            let settings = ["OTEL_EXPORTER_OTLP_ENDPOINT": collector.url("")]
            try await Installation.with(settings: settings) { installation, running in
                let hookline = await running.hookline
                try await installation.publish("nobody wants it")
                let dropped = #"hookline_trace_spans_dropped_total{reason="collector"}"#
                try await waitUntil("a span to be rejected") { try await hookline.metric(dropped) == 1 }
                try await waitUntil("the log to say why") {
                    Files.read(hookline.logFile)?.contains("one too many") == true
                }
                collector.set(.answer(400), at: "/v1/traces")
                try await installation.publish("nor this")
                try await waitUntil("another to be refused") { try await hookline.metric(dropped) == 2 }
                #expect(try await hookline.metric("hookline_trace_spans_exported_total") == 0)
            }
            await collector.stop()
        }
    }
}
