/// A part of a message's way, without I/O.
struct Part: Sendable {
    /// As scripts name it.
    let name: String
    let text: String
    /// Makes what is needed, and returns what does it so many times.
    let prepare: @Sendable () throws -> (Int) throws -> Void

    static let all = Self.intake + Self.delivery
}

/// Takes what was made, so that it is.
@inline(never)
func use<Value>(_ value: Value) {
    withExtendedLifetime(value) {}
}
