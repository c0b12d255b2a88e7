import Logging
import Observability
import Testing
import Values

@testable import Intake
@testable import MQTT

@Suite("A batch's span")
struct BatchTraceTests {
    private static let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    private static let sampled = "00-\(trace)-00f067aa0ba902b7-01"
    private static let unsampled = "00-\(trace)-00f067aa0ba902b7-00"

    /// What is exported of a batch of messages with these, taken with this error, as JSON; empty if nothing is.
    private func exported(
        _ traceparents: [String?], _ kind: TraceSampler.Kind = .parentBasedAlwaysOff, failed: (any Error)? = nil
    ) async -> String {
        let recorder = TraceRecorder(TraceSampler(kind), random: { 0xAB })
        var batch = Batch()
        batch.messages = traceparents.map {
            ReceivedMessage(topic: "things/x/messages", payload: [1, 2], traceparent: $0)
        }
        batch.payloadBytes = 2 * traceparents.count
        BatchTrace(batch, in: recorder, now: Instant(clampingMicroseconds: 1_700_000_000_000_000))?.end(failed: failed)
        let sent = Sent()
        await SpanExporter(recorder, logger: .init(label: "test")) { spans in
            await sent.add(spans)
            return .taken(rejected: 0, why: "")
        }.flush()
        return await sent.text
    }

    private actor Sent {
        private(set) var text = ""

        func add(_ spans: [TraceSpan]) {
            self.text += String(
                decoding: SpanEncoding(.json, resource: [], version: "1").encode(spans), as: UTF8.self)
        }
    }

    @Test("is in its publisher's trace if it is of one message")
    func one() async {
        let text = await self.exported([Self.sampled])
        #expect(
            text.contains(#""traceId":"\#(Self.trace)","spanId":"00000000000000ab","parentSpanId":"00f067aa0ba902b7""#))
        #expect(text.contains(#""name":"take","kind":5,"startTimeUnixNano":"1700000000000000000""#))
        #expect(text.contains(#"{"key":"hookline.batch.bytes","value":{"intValue":"2"}}"#))
        #expect(text.contains(#"{"key":"hookline.acknowledged","value":{"boolValue":true}}"#))
        #expect(!text.contains("links"))
    }

    @Test("has a trace of its own if it is of several, and names those of theirs that are recorded")
    func several() async {
        let text = await self.exported([nil, Self.unsampled, Self.sampled, "nonsense"])
        #expect(text.contains(#""traceId":"00000000000000ab00000000000000ab""#))
        #expect(text.contains(#""links":[{"traceId":"\#(Self.trace)","spanId":"00f067aa0ba902b7"}]"#))
        #expect(text.contains(#"{"key":"messaging.batch.message_count","value":{"intValue":"4"}}"#))
        #expect(!text.contains("parentSpanId"))
    }

    @Test("is recorded as the sampler says")
    func sampling() async {
        for traceparents in [[nil], [Self.unsampled], [nil, nil], [Self.unsampled, nil]] as [[String?]] {
            #expect(await self.exported(traceparents).isEmpty, "\(traceparents)")
        }
        for traceparents in [[nil], [nil, nil], [Self.unsampled, nil]] as [[String?]] {
            #expect(await !self.exported(traceparents, .parentBasedAlwaysOn).isEmpty, "\(traceparents)")
        }
        #expect(await self.exported([Self.unsampled], .parentBasedAlwaysOn).isEmpty)
        #expect(await self.exported([Self.sampled], .alwaysOff).isEmpty)
    }

    @Test("says what went wrong, and that nothing is acknowledged")
    func failure() async {
        let text = await self.exported([Self.sampled], failed: CancellationError())
        #expect(text.contains(#"{"key":"error.type","value":{"stringValue":"CancellationError"}}"#))
        #expect(text.contains(#"{"key":"hookline.acknowledged","value":{"boolValue":false}}"#))
        #expect(text.contains(#""status":{"code":2}"#))
    }
}
