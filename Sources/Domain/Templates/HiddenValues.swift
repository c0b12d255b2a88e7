/// Path and query as the log keeps them where they differ from message to message: with what was filled in, and without what a
/// query's values are otherwise, where keys stand.
final class LoggedTarget: Sendable {
    let target: Template
    let query: [(key: String, value: Template)]

    /// - Parameters:
    ///   - target: path and query.
    ///   - query: rows that are added to it.
    init(_ target: Template, _ query: [(key: String, value: Template)]) {
        self.target = target.hidingValues()
        self.query = query.map { ($0.key, $0.value.hidingValues()) }
    }
}

extension Template {
    private static let hidden = Array("***".utf8)

    /// The same with `***` for what is written in values of a query; what is filled in stays.
    func hidingValues() -> Template {
        var place = self.kind == .form ? QueryPlace.value : .path
        let parts = self.parts.map { part -> Part in
            guard case .literal(let bytes) = part else { return part }
            return .literal(self.kind == .form ? Self.hidden : place.hideValues(in: bytes))
        }
        return Template(text: self.text, kind: self.kind, parts: parts)
    }

    /// Where in a path and query somebody is who goes through it.
    private enum QueryPlace {
        case path, name, value

        /// A name is one only if a `=` follows; what stands by itself may be a key.
        mutating func hideValues(in bytes: [UInt8]) -> [UInt8] {
            var (shown, begun): ([UInt8], [UInt8]) = ([], [])
            func end() {
                if !begun.isEmpty { shown += Template.hidden }
                begun = []
            }
            for byte in bytes {
                switch (self, byte) {
                case (.path, UInt8(ascii: "?")):
                    self = .name
                    shown.append(byte)
                case (.path, _): shown.append(byte)
                case (.name, UInt8(ascii: "=")):
                    self = .value
                    shown += begun + [byte]
                    begun = []
                case (_, UInt8(ascii: "&")):
                    end()
                    self = .name
                    shown.append(byte)
                default: begun.append(byte)
                }
            }
            end()
            return shown
        }
    }
}
