internal import Domain
internal import Hummingbird

// What of a query cannot be read would be left out, and a list that was to be narrowed down by it would be a whole one.

extension Request {
    /// Callers are told of what is no text. What others send to sources is theirs.
    ///
    /// - Throws: what the caller is told.
    func refuseWhatIsNoText() throws {
        guard let query = self.uri.query, query.contains("%"), !self.uri.path.hasPrefix("/in/"),
            let name = Self.nameOfNoText(in: String(query))
        else { return }
        throw InvalidField(name, "must be text in UTF-8, percent-encoded")
    }

    /// The first parameter, as it stands there, that is not UTF-8 once it is decoded; nil if all are.
    static func nameOfNoText(in query: String) -> String? {
        query.split(separator: "&").first { !Self.isText($0) }.map { parameter in
            String(parameter.prefix { $0 != "=" })
        }
    }

    private static func isText(_ parameter: Substring) -> Bool {
        var bytes: [UInt8] = []
        var rest = parameter.utf8
        while let byte = rest.popFirst() {
            let digits = rest.prefix(2)
            guard byte == UInt8(ascii: "%"), digits.count == 2,
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
            else {
                bytes.append(byte)
                continue
            }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self) != nil
    }

    /// Of what cannot be taken back a parameter is meant to bound it: one with another name, or two, would not.
    ///
    /// - Throws: what the caller is told if the query has others than these, or one twice.
    func refuseParameters(otherThan names: [String]) throws(InvalidField) {
        var seen: Set<String> = []
        for (name, _) in self.uri.queryParameters where !name.isEmpty {
            let name = String(name)
            guard names.contains(name) else {
                throw InvalidField(name, "is no parameter that there is: there are \(names.joined(separator: ", "))")
            }
            guard seen.insert(name).inserted else { throw InvalidField(name, "is given twice") }
        }
    }
}
