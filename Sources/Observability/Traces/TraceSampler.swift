package import Values

/// Which traces are recorded: OpenTelemetry's built-in samplers
/// (https://opentelemetry.io/docs/specs/otel/trace/sdk/#built-in-samplers).
///
/// All of it is decided at a span's beginning, because the receiver is told in the `traceparent` before anybody knows how it ends.
package struct TraceSampler: Sendable {
    /// The names that OTEL_TRACES_SAMPLER takes.
    package enum Kind: String, Sendable, CaseIterable {
        case parentBasedAlwaysOn = "parentbased_always_on"
        case parentBasedAlwaysOff = "parentbased_always_off"
        case parentBasedRatio = "parentbased_traceidratio"
        case alwaysOn = "always_on"
        case alwaysOff = "always_off"
        case ratio = "traceidratio"

        package var takesRatio: Bool { self == .ratio || self == .parentBasedRatio }
    }

    private let followsParent: Bool
    /// The first of the numbers from 0 to 2^63 that are not taken.
    private let bound: UInt64

    /// - Parameter ratio: the part of the traces that is taken, from 0 to 1; asked of those kinds alone that have one.
    package init(_ kind: Kind, ratio: Double = 1) {
        let all: UInt64 = 1 << 63
        switch kind {
        case .alwaysOn, .parentBasedAlwaysOn: self.bound = all
        case .alwaysOff, .parentBasedAlwaysOff: self.bound = 0
        case .ratio, .parentBasedRatio: self.bound = UInt64(min(1, max(0, ratio)) * Double(all))
        }
        switch kind {
        case .parentBasedAlwaysOn, .parentBasedAlwaysOff, .parentBasedRatio: self.followsParent = true
        case .alwaysOn, .alwaysOff, .ratio: self.followsParent = false
        }
    }

    /// - Parameters:
    ///   - traceLow: of the trace, be it the parent's or a new one. The same trace is taken by all who take the same part, as the
    ///     SDKs for Go and Python decide it: by the last eight bytes of its id.
    ///   - parent: who is told to have begun the trace.
    package func takes(traceLow: UInt64, under parent: SpanContext?) -> Bool {
        if self.followsParent, let parent { return parent.isSampled }
        return traceLow >> 1 < self.bound
    }
}
