internal import Synchronization

/// Statements of one kind whose texts differ by what there is to write, each put together once: a statement of a dozen
/// parts costs more to put together than to send.
package final class QueryShapes<Shape: Hashable & Sendable>: Sendable {
    private let texts = Mutex<[Shape: QueryText]>([:])

    package init() {}

    /// - Parameters:
    ///   - shape: tells apart all texts that `build` can come to. There are few of them.
    ///   - parameters: the values, in the order in which `build` would put them.
    ///   - build: the statement of this shape, made when it is wanted first.
    package func query(_ shape: Shape, _ parameters: [Parameter], build: () -> Query) -> Query {
        if let text = self.texts.withLock({ $0[shape] }) { return Query(text, parameters) }
        let query = build()
        assert(query.parameters.map(\.oid) == parameters.map(\.oid), "another order than in \(query.sql)")
        self.texts.withLock { $0[shape] = query.text }
        return query
    }
}
