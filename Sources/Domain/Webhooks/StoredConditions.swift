/// As they are stored.
extension Conditions: Codable {
    private enum Key: String, CodingKey {
        case match, rules, edge, duration
        case all = "of"
    }

    /// What stands in the place of a match where there is an edge: a version that knows none would call the webhook for every
    /// message. It cannot read this, and lets what comes wait.
    private static let edgeMark = "edge"

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Key.self)
        let rules = try values.decode([Rule].self, forKey: .rules)
        guard try values.decode(String.self, forKey: .match) == Self.edgeMark else {
            self.init(match: try values.decode(Match.self, forKey: .match), rules: rules)
            return
        }
        self.init(
            match: try values.decode(Match.self, forKey: .all), rules: rules,
            edge: try values.decode(Edge.self, forKey: .edge),
            duration: try values.decodeIfPresent(Int64.self, forKey: .duration))
    }

    package func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: Key.self)
        try values.encode(self.rules, forKey: .rules)
        guard let edge = self.edge else { return try values.encode(self.match, forKey: .match) }
        try values.encode(Self.edgeMark, forKey: .match)
        try values.encode(self.match, forKey: .all)
        try values.encode(edge, forKey: .edge)
        try values.encodeIfPresent(self.duration, forKey: .duration)
    }
}
