package import Values

/// One thing that was done, and how long it took: a span of OpenTelemetry, as it is once it has ended.
package struct TraceSpan: Sendable, Equatable {
    /// The numbers are those of the protocol.
    package enum Kind: Int, Sendable { case client = 3, consumer = 5 }

    package enum Value: Sendable, Equatable {
        case text(String)
        case number(Int64)
        case flag(Bool)
    }

    package struct Attribute: Sendable, Equatable {
        let key: String
        let value: Value

        package init(_ key: String, _ value: Value) {
            self.key = key
            self.value = value
        }
    }

    /// Something that happened meanwhile.
    package struct Event: Sendable, Equatable {
        let name: String
        let nanoseconds: Int64

        /// - Parameter nanoseconds: when, since 1970.
        package init(_ name: String, at nanoseconds: Int64) {
            self.name = name
            self.nanoseconds = nanoseconds
        }
    }

    /// The most spans of others that one names.
    package static let mostLinks = 128

    package let name: String
    package let kind: Kind
    package let context: SpanContext
    /// Another's span, of the same trace; nil for the first.
    package let parent: UInt64?
    /// Nanoseconds since 1970.
    package let start: Int64
    package let end: Int64
    package var attributes: [Attribute] = []
    package var events: [Event] = []
    /// What it is about besides, in traces of their own.
    package var links: [SpanContext] = []
    package var isError = false

    package init(
        _ name: String, _ kind: Kind, _ context: SpanContext, under parent: SpanContext?, from start: Int64,
        to end: Int64
    ) {
        self.name = name
        self.kind = kind
        self.context = context
        self.parent = parent?.span
        self.start = start
        // A span that ends before it begins is none.
        self.end = max(start, end)
    }
}
