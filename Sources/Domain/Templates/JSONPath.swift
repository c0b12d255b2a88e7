/// A way into a JSON value, as `a.b[0]` or `["odd name"].c`.
package struct JSONPath: Sendable, CustomStringConvertible {
    package enum Step: Sendable, Hashable {
        /// The name in UTF-8: names are the same if their code points are, which is less than what `String` takes for equal.
        case member([UInt8])
        case element(Int)
    }

    package let steps: [Step]
    package let description: String

    /// In code points.
    package static let longest = 254

    /// The value itself.
    package init() {
        self.steps = []
        self.description = ""
    }

    init(steps: [Step], description: String) {
        self.steps = steps
        self.description = description
    }

    /// The member of that name.
    init(member name: String) {
        self.init(steps: [.member(Array(name.utf8))], description: name)
    }

    /// What `path` leads to within this.
    func appending(_ path: JSONPath) -> JSONPath {
        JSONPath(steps: self.steps + path.steps, description: self.description + path.description)
    }

    /// A leading dot is taken too, so that what follows `{payload` is a path.
    package init?(_ text: some StringProtocol) {
        guard text.unicodeScalars.count <= Self.longest else { return nil }
        var steps: [Step] = []
        var rest = Substring(text)
        var isFirst = true
        while let first = rest.first {
            if first == "[" {
                guard let (step, after) = Self.bracketed(rest.dropFirst()) else { return nil }
                steps.append(step)
                rest = after
            } else {
                if first == "." { rest = rest.dropFirst() } else if !isFirst { return nil }
                let name = rest.prefix { $0 != "." && $0 != "[" }
                guard !name.isEmpty, name.allSatisfy(Self.isPlain) else { return nil }
                steps.append(.member(Array(name.utf8)))
                rest = rest[name.endIndex...]
            }
            isFirst = false
        }
        self.steps = steps
        self.description = String(text)
    }

    private static func isPlain(_ character: Character) -> Bool {
        character.isLetter || character.isNumber || "_-$:@%°".contains(character)
    }

    /// What stands between brackets: a number, or a name in quotes.
    private static func bracketed(_ text: Substring) -> (Step, Substring)? {
        if text.first == "\"" {
            let name = text.dropFirst().prefix { $0 != "\"" }
            let after = text[name.endIndex...]
            guard after.hasPrefix("\"]") else { return nil }
            return (.member(Array(name.utf8)), after.dropFirst(2))
        }
        let digits = text.prefix { ("0"..."9").contains($0) }
        guard (1...6).contains(digits.count), let index = Int(digits), text[digits.endIndex...].first == "]" else {
            return nil
        }
        return (.element(index), text[digits.endIndex...].dropFirst())
    }
}

extension JSONPath: Hashable {
    /// However it was written.
    package static func == (a: JSONPath, b: JSONPath) -> Bool { a.steps == b.steps }

    package func hash(into hasher: inout Hasher) { hasher.combine(self.steps) }
}
