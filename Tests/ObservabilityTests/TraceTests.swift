import Logging
import Observability
import Synchronization
import Testing
import Values

private let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
private let unsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"

/// 1, 2, 3 and so on, in place of random numbers.
private final class Numbers: Sendable {
    private let last = Mutex<UInt64>(0)

    var next: @Sendable () -> UInt64 {
        {
            self.last.withLock {
                $0 += 1
                return $0
            }
        }
    }
}

private func recorder(_ sampler: TraceSampler = TraceSampler(.parentBasedAlwaysOn), most: Int = 100) -> TraceRecorder {
    TraceRecorder(sampler, most: most, random: Numbers().next)
}

private func span(_ number: UInt64) -> TraceSpan {
    TraceSpan(
        "s", .client, SpanContext(traceHigh: 0, traceLow: 1, span: number, isSampled: true), under: nil, from: 0, to: 1)
}

@Suite("A sampler")
struct TraceSamplerTests {
    @Test(
        "takes what it says",
        arguments: [
            // Without a parent, under one that is recorded, and under one that is not.
            (.parentBasedAlwaysOn, 1, [true, true, false]), (.parentBasedAlwaysOff, 1, [false, true, false]),
            (.alwaysOn, 1, [true, true, true]), (.alwaysOff, 1, [false, false, false]),
            (.parentBasedRatio, 0, [false, true, false]), (.parentBasedRatio, 1, [true, true, false]),
            (.ratio, 0, [false, false, false]), (.ratio, 1, [true, true, true]),
        ] as [(TraceSampler.Kind, Double, [Bool])])
    func table(kind: TraceSampler.Kind, ratio: Double, takes: [Bool]) throws {
        let sampler = TraceSampler(kind, ratio: ratio)
        let parents = [nil, SpanContext(parent), SpanContext(unsampled)]
        for low in [1, UInt64.max / 2, UInt64.max] {
            #expect(parents.map { sampler.takes(traceLow: low, under: $0) } == takes)
        }
    }

    @Test("takes the same traces wherever the part is the same, and of a larger part those of the smaller one too")
    func ratio() {
        let bounds: [(UInt64, Bool, Bool)] = [
            (0, true, true), (UInt64.max / 4 - 1, true, true), (UInt64.max / 4 + 2, false, true),
            (UInt64.max / 2 - 1, false, true), (UInt64.max / 2 + 2, false, false), (.max, false, false),
        ]
        for (low, quarter, half) in bounds {
            #expect(TraceSampler(.ratio, ratio: 0.25).takes(traceLow: low, under: nil) == quarter, "\(low)")
            #expect(TraceSampler(.ratio, ratio: 0.5).takes(traceLow: low, under: nil) == half, "\(low)")
        }
    }
}

@Suite("A recorder of traces")
struct TraceRecorderTests {
    @Test("goes on in the parent's trace, with a span of its own")
    func child() throws {
        let parent = try #require(SpanContext(parent))
        let child = try #require(recorder().begin(under: parent))
        #expect(child.traceText == parent.traceText)
        #expect(child.span != parent.span)
        #expect(child.isSampled)
        #expect(recorder().begin(under: SpanContext(unsampled)) == nil)
    }

    @Test("makes a trace where there is none, and never one of zeros")
    func root() throws {
        let zeros = TraceRecorder(TraceSampler(.alwaysOn), random: { 0 })
        let context = try #require(zeros.begin(under: nil))
        #expect(SpanContext(context.traceparent) == context)
        #expect(recorder(TraceSampler(.alwaysOff)).begin(under: nil) == nil)
    }

    @Test("names those of many that are recorded, and records what is about one that is")
    func many() throws {
        let contexts = [SpanContext(unsampled), SpanContext(parent)].compactMap { $0 }
        let off = recorder(TraceSampler(.parentBasedAlwaysOff))
        let (context, links) = try #require(off.begin(about: contexts))
        #expect(links == [SpanContext(parent)])
        #expect(context.traceText != contexts[0].traceText)
        #expect(off.begin(about: contexts.prefix(1)) == nil)
        #expect(off.begin(about: []) == nil)
        let on = try #require(recorder().begin(about: []))
        #expect(on.links.isEmpty)
        let most = try #require(recorder().begin(about: Array(repeating: contexts[1], count: 1_000)))
        #expect(most.links.count == TraceSpan.mostLinks)
    }

    @Test("keeps as many spans as it may, and counts the others")
    func bound() {
        let recorder = recorder(most: 3)
        for number in 1...5 { recorder.record(span(UInt64(number))) }
        #expect(recorder.count == 3)
        #expect(recorder.lost.current(.full) == 2)
        #expect(recorder.lost.current(.collector) == 0)
    }

    @Test("is told in the metrics")
    func metrics() {
        let (metrics, recorder) = (Metrics(), recorder(most: 1))
        for number in 1...3 { recorder.record(span(UInt64(number))) }
        metrics.register { recorder.families }
        let lines = metrics.prometheusText().split(separator: "\n").map(String.init)
        #expect(lines.contains("hookline_trace_spans_dropped_total{reason=\"full\"} 2"))
        #expect(lines.contains("hookline_trace_spans_dropped_total{reason=\"collector\"} 0"))
        #expect(lines.contains("hookline_trace_spans_exported_total 0"))
        #expect(lines.contains("hookline_trace_spans_waiting 1"))
    }
}

/// A collector that answers what it is told, and the pauses that were made.
private final class Collector: Sendable {
    private struct State {
        var answers: [SpanExporter.Answer]
        var batches: [[TraceSpan]] = []
        var pauses: [Duration] = []
    }

    private let state: Mutex<State>
    private let mostPauses: Int
    let lines = Mutex<[String]>([])

    /// - Parameters:
    ///   - answers: to the first batches; those after it are taken.
    ///   - mostPauses: the one after that ends the exporter.
    init(_ answers: [SpanExporter.Answer] = [], pauses mostPauses: Int = 1) {
        self.state = Mutex(State(answers: answers))
        self.mostPauses = mostPauses
    }

    var batches: [[TraceSpan]] { self.state.withLock { $0.batches } }
    var pauses: [Duration] { self.state.withLock { $0.pauses } }

    func exporter(_ recorder: TraceRecorder) -> SpanExporter {
        let logger = Logger(label: "test") { label in
            LineLogHandler(label: label, level: .info, format: .text) { line in self.lines.withLock { $0.append(line) }
            }
        }
        return SpanExporter(
            recorder, every: .seconds(7), logger: logger,
            sleep: { pause in
                try self.state.withLock {
                    guard $0.pauses.count < self.mostPauses else { throw CancellationError() }
                    $0.pauses.append(pause)
                }
            },
            send: { spans in
                self.state.withLock {
                    $0.batches.append(spans)
                    return $0.answers.isEmpty ? .taken(rejected: 0, why: "") : $0.answers.removeFirst()
                }
            })
    }
}

@Suite("An exporter of spans")
struct SpanExporterTests {
    private func filled(_ count: Int, most: Int = 10_000) -> TraceRecorder {
        let recorder = recorder(most: most)
        for number in 1...count { recorder.record(span(UInt64(number))) }
        return recorder
    }

    @Test("sends all there are, in batches and in their order")
    func batches() async {
        let (recorder, collector) = (self.filled(1_030), Collector())
        await collector.exporter(recorder).run()
        #expect(collector.batches.map(\.count) == [SpanExporter.batch, SpanExporter.batch, 6])
        #expect(collector.batches.joined().map(\.context.span) == Array(1...1_030))
        #expect(recorder.exported.current == 1_030)
        #expect(recorder.count == 0)
        #expect(collector.pauses == [.seconds(7)])
        #expect(collector.lines.withLock { $0 }.isEmpty)
    }

    @Test("sends nothing where there is nothing")
    func nothing() async {
        let collector = Collector(pauses: 3)
        await collector.exporter(recorder()).run()
        #expect(collector.batches.isEmpty)
        #expect(collector.pauses.count == 3)
    }

    @Test("tries again what the collector does not take now, and waits as long as it wishes, within bounds")
    func later() async {
        let recorder = self.filled(2)
        let collector = Collector(
            [.later("it answers 503", after: .seconds(20)), .later("it answers 429", after: .seconds(9_999))], pauses: 3
        )
        await collector.exporter(recorder).run()
        #expect(collector.batches.map { $0.map(\.context.span) } == [[1, 2], [1, 2], [1, 2]])
        #expect(collector.pauses == [.seconds(7), .seconds(20), SpanExporter.longestWait])
        #expect(recorder.exported.current == 2)
        let lines = collector.lines.withLock { $0 }
        #expect(lines.count == 1, "not for each try")
        #expect(lines.first?.contains("the collector takes no traces error=\"it answers 503\"") == true)
    }

    @Test("gives up a batch that was tried often enough, and counts it")
    func givenUp() async {
        let recorder = self.filled(1)
        let collector = Collector(Array(repeating: .later("away", after: nil), count: 20), pauses: 5)
        await collector.exporter(recorder).run()
        #expect(collector.batches.count == SpanExporter.mostTries)
        #expect(recorder.lost.current(.collector) == 1)
        #expect(recorder.exported.current == 0)
    }

    @Test("does not try again what is refused, and counts what is refused in part")
    func refused() async {
        let recorder = self.filled(SpanExporter.batch + 10)
        let collector = Collector([.refused("it answers 400"), .taken(rejected: 3, why: "too old")], pauses: 2)
        await collector.exporter(recorder).run()
        #expect(collector.batches.map(\.count) == [SpanExporter.batch, 10])
        #expect(recorder.exported.current == 7)
        #expect(recorder.lost.current(.collector) == Int64(SpanExporter.batch + 3))
        #expect(collector.lines.withLock { $0 }.contains { $0.contains("the collector rejected spans") })
    }

    @Test("keeps what it has not sent when it is stopped, and sends that at the end")
    func stopped() async {
        let recorder = self.filled(3)
        let collector = Collector([.cancelled])
        let exporter = collector.exporter(recorder)
        await exporter.run()
        #expect(recorder.count == 3)
        recorder.record(span(4))
        await exporter.flush()
        #expect(collector.batches.last?.map(\.context.span) == [1, 2, 3, 4])
        #expect(recorder.exported.current == 4)
    }

    @Test("tries each batch once at the end, and none after one that is not taken")
    func lastTry() async {
        let recorder = self.filled(SpanExporter.batch * 3)
        let collector = Collector([.later("away", after: nil)])
        await collector.exporter(recorder).flush()
        #expect(collector.batches.count == 1)
        #expect(recorder.lost.current(.collector) == Int64(SpanExporter.batch * 3))
        #expect(recorder.count == 0)
    }
}

@Suite("A request to a collector")
struct SpanEncodingTests {
    private static func sample() throws -> TraceSpan {
        let parent = try #require(SpanContext(parent))
        let context = SpanContext(
            traceHigh: parent.traceHigh, traceLow: parent.traceLow, span: 0xAB, isSampled: true)
        var span = TraceSpan("say \"hi\"", .client, context, under: parent, from: 1_700_000_000_000_000_000, to: 1)
        span.attributes = [.init("a", .text("ü\n")), .init("b", .number(-2)), .init("c", .flag(true))]
        span.events = [.init("connected", at: 7)]
        span.links = [parent]
        span.isError = true
        return span
    }

    @Test("in JSON has ids in hexadecimal, 64 bits as texts and enumerations as numbers")
    func json() throws {
        let encoding = SpanEncoding(.json, resource: [.init("service.name", .text("hookline"))], version: "1.2")
        let text = String(decoding: encoding.encode([try Self.sample()]), as: UTF8.self)
        let expected =
            #"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"hookline"}}]},"#
            + #""scopeSpans":[{"scope":{"name":"hookline","version":"1.2"},"spans":[{"#
            + #""traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00000000000000ab","parentSpanId":"00f067aa0ba902b7","#
            + #""flags":1,"name":"say \"hi\"","kind":3,"#
            + #""startTimeUnixNano":"1700000000000000000","endTimeUnixNano":"1700000000000000000","#
            + #""attributes":[{"key":"a","value":{"stringValue":"ü\n"}},{"key":"b","value":{"intValue":"-2"}},"#
            + #"{"key":"c","value":{"boolValue":true}}],"events":[{"timeUnixNano":"7","name":"connected"}],"#
            + #""links":[{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7"}],"#
            + #""status":{"code":2}}]}]}]}"#
        #expect(text == expected)
    }

    @Test("leaves out what a span has not")
    func short() {
        let text = String(
            decoding: SpanEncoding(.json, resource: [], version: "1").encode([span(1), span(2)]), as: UTF8.self)
        #expect(
            text.contains(
                #""spans":[{"traceId":"00000000000000000000000000000001","spanId":"0000000000000001","flags":1,"#))
        for key in ["parentSpanId", "events", "links", "status"] { #expect(!text.contains("\"\(key)\"")) }
        #expect(text.hasSuffix(#""endTimeUnixNano":"1"}]}]}]}"#))
    }

    @Test("in Protobuf is what its fields' numbers say")
    func protobuf() throws {
        let trace: [UInt8] = [
            0x4B, 0xF9, 0x2F, 0x35, 0x77, 0xB3, 0x4D, 0xA6, 0xA3, 0xCE, 0x92, 0x9D, 0x0E, 0x0E, 0x47, 0x36,
        ]
        let parent: [UInt8] = [0x00, 0xF0, 0x67, 0xAA, 0x0B, 0xA9, 0x02, 0xB7]
        /// A field with a length.
        func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] { [number << 3 | 2, UInt8(bytes.count)] + bytes }
        let time: [UInt8] = (0..<8).map { UInt8(truncatingIfNeeded: 1_700_000_000_000_000_000 >> ($0 * 8)) }
        var span = field(1, trace) + field(2, [0, 0, 0, 0, 0, 0, 0, 0xAB]) + field(4, parent)
        span += field(5, Array(#"say "hi""#.utf8)) + [6 << 3, 3] + [7 << 3 | 1] + time + [8 << 3 | 1] + time
        span += field(9, field(1, [0x61]) + field(2, field(1, Array("ü\n".utf8))))
        span += field(9, field(1, [0x62]) + field(2, [3 << 3, 0xFE] + Array(repeating: 0xFF, count: 8) + [0x01]))
        span += field(9, field(1, [0x63]) + field(2, [2 << 3, 1]))
        span += field(11, [1 << 3 | 1, 7, 0, 0, 0, 0, 0, 0, 0] + field(2, Array("connected".utf8)))
        span += field(13, field(1, trace) + field(2, parent))
        span += field(15, [3 << 3, 2])
        // The sixteenth field's number takes two bytes: 16 << 3 | 5.
        span += [0x85, 0x01, 1, 0, 0, 0]
        func long(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
            [number << 3 | 2, UInt8(bytes.count & 0x7F) | 0x80, UInt8(bytes.count >> 7)] + bytes
        }
        let resource = field(1, field(1, Array("k".utf8)) + field(2, field(1, Array("v".utf8))))
        let scope = field(1, Array("hookline".utf8)) + field(2, Array("1".utf8))
        let expected = long(1, field(1, resource) + long(2, field(1, scope) + long(2, span)))
        let encoding = SpanEncoding(.protobuf, resource: [.init("k", .text("v"))], version: "1")
        #expect(encoding.encode([try Self.sample()]) == expected)
    }

    @Test("may be taken in part")
    func partial() {
        // rejected_spans 300, error_message "old", and fields of later versions around them.
        let partial: [UInt8] = [0x08, 0xAC, 0x02, 0x12, 0x03] + Array("old".utf8) + [0x1D, 0, 0, 0, 0]
        let answer: [UInt8] = [0x0A, UInt8(partial.count)] + partial
        #expect(PartialSuccess(protobuf: answer) == PartialSuccess(rejected: 300, why: "old"))
        for bytes in [[], [0x0A], [0x0A, 0x05, 0x08], [0x0A, 0x01, 0x08], [0x0F], [0x10, 0x01], Array("ok".utf8)]
            as [[UInt8]]
        {
            #expect(PartialSuccess(protobuf: bytes) == nil, "\(bytes)")
        }
        #expect(PartialSuccess(rejected: -1, why: "").rejected == 0)
    }
}

@Suite("A list of OpenTelemetry's settings")
struct BaggageListTests {
    @Test(
        "is read with its values decoded",
        arguments: [
            ("", []), ("a=b", ["a", "b"]), (" a = b , c=d%20e ,", ["a", "b", "c", "d e"]), ("a=b=c", ["a", "b=c"]),
            ("a=", ["a", ""]), ("authorization=Basic%20dTpw%3D", ["authorization", "Basic dTpw="]),
            ("a=%C3%BC", ["a", "ü"]), ("a=ü", ["a", "ü"]),
        ] as [(String, [String])])
    func read(text: String, pairs: [String]) throws {
        #expect(try #require(BaggageList.read(text)).flatMap { [$0.key, $0.value] } == pairs)
    }

    @Test("that is none is not read", arguments: ["a", "=b", "a=b,c", "a=%", "a=%2", "a=%zz", "a=%+1", "a=%FF"])
    func refused(text: String) {
        #expect(BaggageList.read(text) == nil)
    }
}
