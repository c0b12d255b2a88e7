internal import MQTT
internal import Observability
internal import Postgres
internal import Values

/// What is known of a batch's span while it is being taken.
///
/// A message alone is taken in its publisher's trace; several have a trace of their own, which names theirs.
struct BatchTrace {
    private let recorder: TraceRecorder
    private let parent: SpanContext?
    private let context: SpanContext
    private let links: [SpanContext]
    private let messages: Int
    private let bytes: Int
    private let start: Instant
    private let startedAt = monotonicNanoseconds()

    /// - Returns: nil if the trace is not recorded.
    init?(_ batch: Batch, in recorder: TraceRecorder, now: Instant) {
        let contexts = batch.messages.lazy.compactMap { $0.traceparent.flatMap(SpanContext.init) }
        if batch.messages.count == 1 {
            let parent = contexts.first
            guard let context = recorder.begin(under: parent) else { return nil }
            (self.parent, self.context, self.links) = (parent, context, [])
        } else {
            guard let (context, links) = recorder.begin(about: contexts) else { return nil }
            (self.parent, self.context, self.links) = (nil, context, links)
        }
        self.recorder = recorder
        self.messages = batch.messages.count
        self.bytes = batch.payloadBytes
        self.start = now
    }

    /// - Parameter error: why it is not acknowledged, and comes again.
    func end(failed error: (any Error)?) {
        let start = self.start.microseconds.multiplied(by: 1_000)
        var span = TraceSpan(
            "take", .consumer, self.context, under: self.parent, from: start,
            to: start.adding(monotonicNanoseconds() - self.startedAt))
        span.attributes = [
            .init("messaging.system", .text("mqtt")), .init("messaging.operation.type", .text("receive")),
            .init("messaging.batch.message_count", .number(Int64(self.messages))),
            .init("hookline.batch.bytes", .number(Int64(self.bytes))),
            .init("hookline.acknowledged", .flag(error == nil)),
        ]
        if let error {
            let kind = (error as? PostgresError).map { "\($0.kind)" } ?? "\(type(of: error))"
            span.attributes.append(.init("error.type", .text(kind)))
            span.isError = true
        }
        span.links = self.links
        self.recorder.record(span)
    }
}
