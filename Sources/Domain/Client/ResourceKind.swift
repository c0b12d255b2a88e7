internal import Values

/// What there is in an installation that people name when they ask for it.
package enum ResourceKind: String, Sendable, CaseIterable {
    case groups, things, profiles, webhooks, sources

    /// The fields that a list shows, in their order; the first two are what one is named by.
    package var columns: [String] {
        switch self {
        case .groups: ["id", "name", "role"]
        case .things: ["id", "name", "external_id", "profile_id"]
        case .profiles: ["id", "name"]
        case .webhooks: ["id", "name", "status", "url"]
        case .sources: ["id", "name", "status", "thing_id"]
        }
    }

    /// In the singular.
    package var one: String { String(self.rawValue.dropLast()) }

    /// Reads both `webhook` and `webhooks`.
    package init?(naming text: String) {
        guard let kind = Self.allCases.first(where: { $0.rawValue == text || $0.one == text }) else { return nil }
        self = kind
    }
}

/// Why a command for people cannot do what it was asked to.
package struct ClientProblem: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// Which of several is meant by a name.
package enum NamedChoice {
    /// So many are named in an error.
    private static let mostNamed = 10

    /// - Parameters:
    ///   - name: the whole name, in any case if nothing has it as it is written.
    ///   - choices: ids and names.
    /// - Returns: the id.
    package static func id(
        of name: String, _ kind: ResourceKind, among choices: [(id: String, name: String)]
    ) throws(ClientProblem) -> String {
        let exact = choices.filter { $0.name.isExactly(name) }
        let found = exact.isEmpty ? choices.filter { $0.name.lowercased() == name.lowercased() } : exact
        guard let first = found.first else {
            let near = Spelling.nearest(to: name, among: Set(choices.map(\.name)))
            throw ClientProblem(
                "there is no \(kind.one) \"\(name)\"" + (near.map { "; did you mean \"\($0)\"?" } ?? ""))
        }
        guard found.count == 1 else {
            let ids = found.prefix(Self.mostNamed).map(\.id).joined(separator: ", ")
            let rest = found.count > Self.mostNamed ? " and more" : ""
            throw ClientProblem(
                "\(found.count) \(kind.rawValue) are called \"\(name)\", so name one by its id: \(ids)\(rest)")
        }
        return first.id
    }

    /// What completes a word that names one: names, and the id where a name would not do.
    ///
    /// - Parameters:
    ///   - begun: what there is of the word; an id that begins so is offered, too.
    ///   - choices: ids and names.
    package static func completions(of begun: String, among choices: [(id: String, name: String)]) -> [String] {
        let alike = Dictionary(choices.map { ($0.name, 1) }, uniquingKeysWith: +)
        return choices.flatMap { id, name in
            let isGood = alike[name] == 1 && Self.canBeTyped(name)
            let isMeant = !begun.isEmpty && id.hasPrefix(begun)
            return (isGood ? [name] : []) + (isGood && !isMeant ? [] : [id])
        }
    }

    /// Whether a command would take it for a name, and a terminal would show it as it is.
    private static func canBeTyped(_ name: String) -> Bool {
        !name.isEmpty && !name.hasPrefix("-") && name == name.printable && EntityID(name) == nil
    }
}

/// Answers as people read them in a terminal. What is shown is others': nothing of it reaches the terminal as anything but text.
package enum ClientText {
    /// Columns beside each other, below their names.
    package static func table(_ objects: [JSONFields], columns: [String]) -> String {
        let rows = [columns.map { $0.uppercased() }] + objects.map { object in columns.map { Self.text(object[$0]) } }
        let widths = columns.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = zip(row, widths).map { cell, width in cell + String(repeating: " ", count: width - cell.count) }
            let line = cells.joined(separator: "  ")
            return String(line.reversed().drop { $0 == " " }.reversed())
        }.joined(separator: "\n")
    }

    /// A field on each line, sorted by their names; those that are absent or null are left out.
    package static func fields(_ object: JSONFields) -> String {
        let shown = object.filter { $0.value != .null }.sorted { $0.key < $1.key }
        let width = (shown.map(\.key.count).max() ?? 0) + 2
        return shown.map { name, value in
            name.printable + String(repeating: " ", count: width - name.count) + Self.text(value)
        }.joined(separator: "\n")
    }

    private static func text(_ value: JSONValue?) -> String {
        switch value {
        case nil, .null?: "-"
        case .string(let text)?: text.printable
        case let value?: value.text.printable
        }
    }
}
