/// A statement and its values. Interpolated values are bound, never pasted:
/// `"SELECT name FROM groups WHERE id = \(id)"` is sent as `… WHERE id = $1`.
package struct Query: Sendable, ExpressibleByStringInterpolation {
    let text: QueryText
    package let parameters: [Parameter]
    /// How long the statement may take, waiting for locks included.
    package var timeout: Duration = .seconds(30)
    /// Whether the server keeps it for the next time. What is asked once, or of who may be a pooler, does without.
    package var isPrepared = true

    /// The text as the server sees it, with `$1…` for the values.
    package var sql: String { self.text.sql }

    init(_ text: QueryText, _ parameters: [Parameter]) {
        self.text = text
        self.parameters = parameters
    }

    package init(stringLiteral value: String) {
        self.init(QueryText(sql: value), [])
    }

    package init(stringInterpolation: StringInterpolation) {
        self.init(stringInterpolation.text, stringInterpolation.parameters)
    }

    package struct StringInterpolation: StringInterpolationProtocol, Sendable {
        var text = QueryText()
        var parameters: [Parameter] = []

        package init(literalCapacity: Int, interpolationCount: Int) {
            self.text.sql.reserveCapacity(literalCapacity + interpolationCount * 3)
            self.text.places.reserveCapacity(interpolationCount)
            self.parameters.reserveCapacity(interpolationCount)
        }

        package mutating func appendLiteral(_ literal: String) {
            self.text.sql += literal
        }

        package mutating func appendInterpolation(_ value: some PostgresEncodable) {
            self.append(value.postgresParameter)
        }

        package mutating func appendInterpolation(_ value: (some PostgresEncodable)?) {
            self.append(value.map(\.postgresParameter) ?? .null)
        }

        /// An array becomes one array value, for `= ANY(…)` and `unnest(…)`.
        package mutating func appendInterpolation(_ values: [some PostgresEncodable]) {
            self.append(.array(values))
        }

        /// An array whose elements may be NULL.
        package mutating func appendInterpolation(array values: [(some PostgresEncodable)?]) {
            self.append(.array(values))
        }

        /// A value that is encoded already, such as a column of a bulk insert.
        package mutating func appendInterpolation(_ parameter: Parameter) {
            self.append(parameter)
        }

        /// Another query's text and values, renumbered: for conditions put together from parts.
        package mutating func appendInterpolation(_ part: Query) {
            let utf8 = part.sql.utf8
            var rest = utf8.startIndex
            for (place, parameter) in zip(part.text.places, part.parameters) {
                let placeholder = utf8.index(utf8.startIndex, offsetBy: place.lowerBound)
                self.text.sql += part.sql[rest..<placeholder]
                self.append(parameter)
                rest = utf8.index(utf8.startIndex, offsetBy: place.upperBound)
            }
            self.text.sql += part.sql[rest...]
        }

        private mutating func append(_ parameter: Parameter) {
            self.parameters.append(parameter)
            let start = self.text.sql.utf8.count
            self.text.sql += "$\(self.parameters.count)"
            self.text.places.append(start..<self.text.sql.utf8.count)
        }
    }
}

/// What is the same of a statement whatever its values are.
struct QueryText: Sendable {
    var sql = ""
    /// Where the placeholders stand, in their order, in bytes of UTF-8.
    var places: [Range<Int>] = []
}
