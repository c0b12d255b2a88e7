/// As they are stored.
extension Conditions: Codable {
    private enum Key: String, CodingKey {
        case match, rules, edge, duration
        case all = "of"
    }

    /// What stands in the place of a match where there is an edge: a version that knows none would call the webhook for every
    /// message. It cannot read this, and lets what comes wait.
    private static let edgeMark = "edge"
    /// The same where a rule looks into more than the payload.
    private static let subjectsMark = "subjects"
    private static let marks = [edgeMark, subjectsMark]

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Key.self)
        let rules = try values.decode([Rule].self, forKey: .rules)
        guard Self.marks.contains(try values.decode(String.self, forKey: .match)) else {
            self.init(match: try values.decode(Match.self, forKey: .match), rules: rules)
            return
        }
        self.init(
            match: try values.decode(Match.self, forKey: .all), rules: rules,
            edge: try values.decodeIfPresent(Edge.self, forKey: .edge),
            duration: try values.decodeIfPresent(Int64.self, forKey: .duration))
    }

    package func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: Key.self)
        try values.encode(self.rules, forKey: .rules)
        let hasSubjects = self.rules.contains(where: \.isOfProperties)
        guard self.edge != nil || hasSubjects else { return try values.encode(self.match, forKey: .match) }
        try values.encode(hasSubjects ? Self.subjectsMark : Self.edgeMark, forKey: .match)
        try values.encode(self.match, forKey: .all)
        try values.encodeIfPresent(self.edge, forKey: .edge)
        try values.encodeIfPresent(self.duration, forKey: .duration)
    }
}
