/// A way into a JSON value, as `a.b[0]` or `["odd name"].c`.
package struct JSONPath: Sendable, Hashable, CustomStringConvertible {
    package enum Step: Sendable, Hashable {
        case member(String)
        case element(Int)
    }

    package let steps: [Step]
    package let description: String

    package static let longest = 254

    /// The value itself.
    package init() {
        self.steps = []
        self.description = ""
    }

    /// A leading dot is taken too, so that what follows `{payload` is a path.
    package init?(_ text: some StringProtocol) {
        guard text.utf8.count <= Self.longest else { return nil }
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
                steps.append(.member(String(name)))
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
            return (.member(String(name)), after.dropFirst(2))
        }
        let digits = text.prefix { ("0"..."9").contains($0) }
        guard (1...6).contains(digits.count), let index = Int(digits), text[digits.endIndex...].first == "]" else {
            return nil
        }
        return (.element(index), text[digits.endIndex...].dropFirst())
    }
}
