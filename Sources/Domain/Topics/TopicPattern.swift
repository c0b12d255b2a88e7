internal import Values

/// A filter with names for what its wildcards stand for: `zigbee2mqtt/{thing}`, `tele/{thing}/{subtopic:#}`.
package struct TopicPattern: Sendable, Hashable {
    package let text: String
    /// What is subscribed to.
    package let filter: TopicFilter
    /// By the name, the level that it stands at.
    private let levels: [String: Int]
    /// What `#` is called.
    private let rest: String?

    /// - Throws: in words, what is wrong.
    package init(_ text: String, field: String) throws(InvalidField) {
        func wrong(_ what: String) -> InvalidField { InvalidField(field, what) }
        guard text.utf8.count <= TopicFilter.longest else {
            throw wrong("must have at most \(TopicFilter.longest) bytes")
        }
        var (names, rest, plain): ([String: Int], String?, [String]) = ([:], nil, [])
        let parts = text.parts(between: "/")
        for (index, part) in parts.enumerated() {
            guard part.has("{") || part.has("}") else {
                plain.append(String(part))
                continue
            }
            guard part.hasPrefix("{"), part.hasSuffix("}") else {
                throw wrong("a placeholder stands for a whole level, and \(part) is more or less than one")
            }
            let isRest = part.hasSuffix(":#}")
            let name = String(part.dropFirst().dropLast(isRest ? 3 : 1))
            guard Self.isName(name) else {
                throw wrong("{\(name)} is no placeholder: a name has small letters, digits and _, such as {thing}")
            }
            guard names[name] == nil else { throw wrong("{\(name)} stands there twice") }
            names[name] = index
            if isRest {
                guard index == parts.count - 1 else { throw wrong("{\(name):#} must be the last level") }
                rest = name
            }
            plain.append(isRest ? "#" : "+")
        }
        guard let filter = TopicFilter(plain.joined(separator: "/")) else {
            throw wrong(
                "must be a topic filter of at most \(TopicFilter.mostLevels) levels that does not begin with $")
        }
        guard rest != "thing" else { throw wrong("{thing} stands for one level") }
        self.text = text
        self.filter = filter
        self.levels = names
        self.rest = rest
    }

    private static func isName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= 32
            && name.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5F }
    }

    /// With what a thing is called in its place; nil if it is not the topic that says it.
    func text(naming thing: String) -> String? {
        guard let place = self.levels["thing"] else { return nil }
        var levels = self.text.parts(between: "/").map(String.init)
        levels[place] = thing
        return levels.joined(separator: "/")
    }

    /// What the thing is called whose topic it is: as the filter up to the level that says its name, whatever follows.
    ///
    /// - Returns: nil if it is nobody's by this pattern.
    func owner(of topic: TopicLevels) -> ArraySlice<UInt8>? {
        guard let place = self.levels["thing"], place < topic.count else { return nil }
        let isAsFilter = self.filter.levels.prefix(place).enumerated().allSatisfy { index, level in
            switch level {
            case .any: true
            case .text(let bytes): topic[index].elementsEqual(bytes)
            }
        }
        return isAsFilter ? topic[place] : nil
    }

    package func names(_ name: String) -> Bool { self.levels[name] != nil }

    /// What a name stands for in a topic that the filter takes; nil if there is no such name.
    package func value(of name: String, in topic: TopicLevels) -> String? {
        guard let level = self.levels[name] else { return nil }
        return name == self.rest ? topic.rest(from: level) : topic.text(level)
    }
}

/// What a rule makes of the names of its filter: `{kind}/{state}`.
package struct SubtopicTemplate: Sendable, Hashable {
    enum Part: Sendable, Hashable {
        case text(String)
        case name(String)
    }

    let parts: [Part]

    /// - Throws: in words, what is wrong.
    package init(_ text: String, names pattern: TopicPattern, field: String) throws(InvalidField) {
        guard text.unicodeScalars.count <= 254 else {
            throw InvalidField(field, "must have at most 254 characters")
        }
        guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "#") })
        else { throw InvalidField(field, "must not hold wildcards or control characters") }
        var (parts, rest): ([Part], Substring) = ([], text[...])
        while let open = rest.unicodeScalars.firstIndex(of: "{") {
            if open > rest.startIndex { parts.append(.text(String(rest[..<open]))) }
            guard let close = rest[open...].unicodeScalars.firstIndex(of: "}") else {
                throw InvalidField(field, "{ is not closed")
            }
            let name = String(rest[rest.unicodeScalars.index(after: open)..<close])
            guard pattern.names(name) else {
                throw InvalidField(field, "{\(name)} is not in the filter")
            }
            parts.append(.name(name))
            rest = rest[rest.unicodeScalars.index(after: close)...]
        }
        if !rest.isEmpty { parts.append(.text(String(rest))) }
        self.parts = parts
    }

    package func text(_ topic: TopicLevels, _ pattern: TopicPattern) -> String {
        var text = ""
        for part in self.parts {
            switch part {
            case .text(let own): text += own
            case .name(let name): text += pattern.value(of: name, in: topic) ?? ""
            }
        }
        return text
    }
}
