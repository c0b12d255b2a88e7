internal import Domain
internal import Synchronization

/// Where lanes ask for what is known of things that their requests name.
final class FactsLine: Sendable {
    /// What a lane asks for, and how much of it.
    struct Wish {
        let extent: ThingFacts.Extent
        let subjects: Set<ThingFacts.Subject>
    }

    private let wanted = Mutex<[WebhookKey: Wish]>([:])
    /// There is something to read: one is as good as many.
    let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation

    init() {
        (self.signals, self.signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// A lane asks for what it sends next, and again when that is answered, which bounds how much it is.
    func ask(_ webhook: WebhookKey, _ extent: ThingFacts.Extent, _ subjects: Set<ThingFacts.Subject>) {
        self.wanted.withLock { $0[webhook] = Wish(extent: extent, subjects: subjects) }
        self.signal.yield()
    }

    func take() -> [WebhookKey: Wish] {
        self.wanted.withLock { wanted in
            defer { wanted = [:] }
            return wanted
        }
    }

    func finish() { self.signal.finish() }
}
