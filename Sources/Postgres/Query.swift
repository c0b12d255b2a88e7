/// A statement and its values. Interpolated values are bound, never pasted:
/// `"SELECT name FROM groups WHERE id = \(id)"` is sent as `… WHERE id = $1`.
package struct Query: Sendable, ExpressibleByStringInterpolation {
    /// The text as the server sees it, with `$1…` for the values.
    package let sql: String
    package let parameters: [Parameter]
    /// How long the statement may take, waiting for locks included.
    package var timeout: Duration = .seconds(30)

    package init(_ sql: String, _ parameters: [Parameter]) {
        self.sql = sql
        self.parameters = parameters
    }

    package init(stringLiteral value: String) {
        self.init(value, [])
    }

    package init(stringInterpolation: StringInterpolation) {
        self.init(stringInterpolation.sql, stringInterpolation.parameters)
    }

    package struct StringInterpolation: StringInterpolationProtocol, Sendable {
        var sql = ""
        var parameters: [Parameter] = []

        package init(literalCapacity: Int, interpolationCount: Int) {
            self.sql.reserveCapacity(literalCapacity + interpolationCount * 3)
            self.parameters.reserveCapacity(interpolationCount)
        }

        package mutating func appendLiteral(_ literal: String) {
            self.sql += literal
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
            var rest = part.sql[...]
            // Parts are written by this program and use `$n` in order, so splitting at each placeholder is exact.
            for (index, parameter) in part.parameters.enumerated() {
                guard let range = rest.range(ofPlaceholder: index + 1) else { break }
                self.sql += rest[..<range.lowerBound]
                self.append(parameter)
                rest = rest[range.upperBound...]
            }
            self.sql += rest
        }

        private mutating func append(_ parameter: Parameter) {
            self.parameters.append(parameter)
            self.sql += "$\(self.parameters.count)"
        }
    }
}

extension Substring {
    fileprivate func range(ofPlaceholder number: Int) -> Range<Index>? {
        let digits = String(number)
        var search = self
        while let dollar = search.firstIndex(of: "$") {
            let after = search[search.index(after: dollar)...]
            if after.hasPrefix(digits) { return dollar..<after.index(after.startIndex, offsetBy: digits.count) }
            search = after
        }
        return nil
    }
}
