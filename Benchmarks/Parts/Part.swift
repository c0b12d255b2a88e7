/// A part of a message's way, without I/O.
struct Part: Sendable {
    /// As scripts name it.
    let name: String
    let text: String
    /// How often it is done to count what it takes.
    var times = 2_000
    /// Another part, and how many times as much this may take: what grows with what others send is to grow with its length alone.
    var bound: (part: String, factor: Int)?
    /// Makes what is needed, and returns what does it so many times.
    let prepare: @Sendable () throws -> (Int) throws -> Void

    /// For scripts: `NAME TIMES [OTHER FACTOR]`.
    var line: String {
        "\(self.name) \(self.times)\(self.bound.map { " \($0.part) \($0.factor)" } ?? "")"
    }

    static let all = Self.intake + Self.delivery + Self.growth
}

/// Takes what was made, so that it is.
@inline(never)
func use<Value>(_ value: Value) {
    withExtendedLifetime(value) {}
}

private struct NothingMade: Error {}

/// - Throws: rather than that a part measures nothing.
func made<Value>(_ value: Value?) throws -> Value {
    guard let value else { throw NothingMade() }
    return value
}
