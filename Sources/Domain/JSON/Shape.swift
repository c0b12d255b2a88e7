internal import Values

/// Which fields a body may have, at every depth. Every body is read as one, so that no misspelt field is taken for one that
/// was not given.
package indirect enum Shape: Sendable {
    /// The caller's own: whatever is in it is kept or looked at by somebody else.
    case any
    /// - Parameter ignored: what answers have and clients send back, and what clients of Mainflux send: nothing is done with
    ///   it.
    case object([String: Shape], ignored: Set<String> = [])
    case list(Shape)
    /// One of several forms of the same; which one it is shows by itself.
    case either(Shape, Shape)

    /// - Throws: ``InvalidField`` with the place of the first field that there is not. What is of the wrong kind is told by
    ///   whoever reads it.
    package func check(_ value: JSONValue, at path: String = "") throws(InvalidField) {
        switch (self, value) {
        case (.either(let one, let other), _):
            try one.check(value, at: path)
            try other.check(value, at: path)
        case (.list(let shape), .array(let values)):
            for (index, value) in values.enumerated() { try shape.check(value, at: "\(path)[\(index)]") }
        case (.object(let shapes, let ignored), .object(let fields)):
            for (name, value) in fields.sorted(by: { $0.key < $1.key }) {
                let place = path.isEmpty ? name : "\(path).\(name)"
                if let shape = shapes[name] {
                    try shape.check(value, at: place)
                } else if !ignored.contains(name) {
                    throw Self.unknown(name, at: place, among: shapes.keys)
                }
            }
        default: return
        }
    }

    private static func unknown(_ name: String, at place: String, among names: some Sequence<String>) -> InvalidField {
        let nearest = Spelling.nearest(to: name, among: names)
        return InvalidField(
            place,
            "is no field that there is"
                + (nearest.map { "; did you mean \($0)?" } ?? ": there are \(names.sorted().joined(separator: ", "))"))
    }

    /// An object all of whose fields hold no others.
    package static func flat(_ names: String..., ignored: Set<String> = []) -> Shape {
        .object(Dictionary(uniqueKeysWithValues: names.map { ($0, .any) }), ignored: ignored)
    }

    /// The same for whoever sends nothing back that was answered: what would be ignored is no field.
    package var withoutIgnored: Shape {
        switch self {
        case .any: .any
        case .object(let shapes, _): .object(shapes.mapValues(\.withoutIgnored))
        case .list(let shape): .list(shape.withoutIgnored)
        case .either(let one, let other): .either(one.withoutIgnored, other.withoutIgnored)
        }
    }
}
