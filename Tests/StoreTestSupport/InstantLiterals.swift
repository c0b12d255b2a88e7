package import Values

/// Tests write times as microseconds since 1970.
extension Instant: ExpressibleByIntegerLiteral {
    package init(integerLiteral microseconds: Int64) {
        self.init(clampingMicroseconds: microseconds)
    }
}
