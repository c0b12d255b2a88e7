internal import Domain
internal import Journal
internal import NIOCore
internal import Observability
internal import Values
internal import WebhookClient

/// What is known of an attempt's span while it is under way. Only attempts have one whose trace is recorded.
///
/// It lives on its lane's event loop.
final class AttemptTrace {
    private let recorder: TraceRecorder
    private let parent: SpanContext?
    private let context: SpanContext
    private let links: [SpanContext]
    private var steps: [(name: String, at: NIODeadline)] = []

    /// What the receiver is told, in place of what the publisher said.
    let traceparent: String

    /// - Parameter others: what goes along in the same request.
    /// - Returns: nil if the trace is not recorded.
    init?(_ recorder: TraceRecorder, of message: Message, with others: [Delivery]) {
        let parent = message.traceparent.flatMap(SpanContext.init)
        guard let context = recorder.begin(under: parent) else { return nil }
        self.recorder = recorder
        self.parent = parent
        self.context = context
        self.traceparent = context.traceparent
        self.links = others.lazy.compactMap { $0.message.traceparent.flatMap(SpanContext.init) }
            .prefix(TraceSpan.mostLinks).map { $0 }
    }

    func note(_ step: ConnectionStep) {
        let name: String
        switch step {
        case .resolved: name = "resolved"
        case .connected: name = "connected"
        case .secured: name = "secured"
        case .permitted, .redirected, .headed, .faulty: return
        }
        self.steps.append((name, .now()))
    }

    /// - Parameters:
    ///   - result: what became of the delivery.
    ///   - failure: the kind of failure, as the metric has it; nil for none. The words that may hold more are the log's.
    func end(_ attempt: Attempt, _ outcome: Outcome, result: StaticString, failure: String?, now: NIODeadline) {
        let start = attempt.startedAtWall.microseconds.multiplied(by: 1_000)
        func wall(_ time: NIODeadline) -> Int64 { start.adding((time - attempt.startedAt).nanoseconds) }
        var span = TraceSpan("deliver", .client, self.context, under: self.parent, from: start, to: wall(now))
        let (target, delivery) = (attempt.target, attempt.delivery)
        span.attributes = [
            .init("http.request.method", .text(attempt.special?.request?.method ?? "POST")),
            .init("server.address", .text(target.url.host)),
            .init("server.port", .number(Int64(target.url.port))),
            .init("url.scheme", .text(target.url.isTLS ? "https" : "http")),
            .init("hookline.webhook.id", .text("\(target.id)")),
            .init("hookline.group.id", .text("\(target.group)")),
            .init("hookline.delivery.id", .text(delivery.id.text)),
            .init("hookline.attempt", .number(Int64(delivery.attempts) + 1)),
            .init("hookline.messages", .number(Int64(1 + attempt.others.count))),
            .init("hookline.result", .text("\(result)")),
        ]
        if delivery.message.hasThing {
            span.attributes.append(.init("hookline.thing.id", .text("\(delivery.message.thing)")))
        }
        if case .response(let status, _, _) = outcome {
            span.attributes.append(.init("http.response.status_code", .number(Int64(status))))
        }
        if let failure { span.attributes.append(.init("error.type", .text(failure))) }
        span.isError = failure != nil && failure != "cancelled"
        span.events = self.steps.map { .init($0.name, at: wall($0.at)) }
        if let answeredAt = attempt.answeredAt { span.events.append(.init("answered", at: wall(answeredAt))) }
        span.links = self.links
        self.recorder.record(span)
    }
}

extension DeliveryResult.Ending {
    /// A word for it, which does not change.
    var word: StaticString {
        switch self {
        case .succeeded: "succeeded"
        case .retried: "retried"
        case .failed: "failed"
        case .released: "released"
        }
    }
}
