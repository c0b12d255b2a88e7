/// What became of an import, or would.
package struct ImportReport: Sendable {
    /// Of one kind.
    package struct Tally: Sendable {
        package var found = 0
        package var added = 0
        /// Here already, and left as it is.
        package var present = 0
        package var leftOut = 0
    }

    /// Something that cannot be taken over as it is.
    package struct Problem: Sendable {
        package let kind: ImportKind
        package let id: String
        package let reason: String
    }

    package internal(set) var tallies: [ImportKind: Tally] = [:]
    /// The first of them, at most ``mostProblems``.
    package internal(set) var problems: [Problem] = []
    /// All of them.
    package internal(set) var problemCount = 0
    /// Names that had to be changed.
    package internal(set) var renamed = 0
    /// Profiles whose messages Mainflux would have changed on their way.
    package internal(set) var transformers = 0
    package internal(set) var externalKeys = 0
    /// Metadata that is no object, or too long.
    package internal(set) var metadataLeftOut = 0

    package static let mostProblems = 1_000

    package subscript(kind: ImportKind) -> Tally {
        get { self.tallies[kind] ?? Tally() }
        set { self.tallies[kind] = newValue }
    }

    mutating func refuse(_ kind: ImportKind, _ id: some CustomStringConvertible, _ reason: some CustomStringConvertible)
    {
        self[kind].leftOut += 1
        self.problemCount += 1
        if self.problems.count < Self.mostProblems {
            self.problems.append(Problem(kind: kind, id: id.description, reason: reason.description))
        }
    }
}

/// In the order in which they are taken over: each needs the ones before it.
package enum ImportKind: String, Sendable, CaseIterable {
    case groups, members, profiles, things, webhooks
}
