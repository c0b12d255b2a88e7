/// How an event says which thing it is of. Where a source has none of this, all events are of its own thing.
package struct SourceThing: Sendable, Equatable, Codable {
    /// What the text in the event is.
    package enum Way: String, Sendable, Codable, CaseIterable {
        /// What the thing's owners call it, or else its id.
        case externalID = "external_id"
        /// A label that one thing of the group alone has.
        case label
    }

    /// What becomes of an event of a thing that nobody knows.
    package enum Otherwise: String, Sendable, Codable, CaseIterable {
        case refuse
        /// It is of the source's own thing.
        case own
        /// The thing is made, as the group says of unknown things.
        case create
    }

    /// Where the text stands.
    package var path: String
    package var by: Way
    package var otherwise: Otherwise

    package init(path: String, by: Way = .externalID, otherwise: Otherwise = .refuse) {
        self.path = path
        self.by = by
        self.otherwise = otherwise
    }

    func check() throws(InvalidField) {
        guard JSONPath(self.path)?.steps.isEmpty == false else {
            throw InvalidField("thing.path", "must be a path such as deviceInfo.devEui")
        }
        if self.by == .label, self.otherwise == .create {
            throw InvalidField("thing.otherwise", "cannot be create by a label: things are made with an external_id")
        }
    }
}

/// How a source answers a GET by which the other system makes sure that its url wants events: with what it was asked
/// (`challenge`, `hub.challenge`), as text, or as JSON under the same name.
package enum SourceHandshake: String, Sendable, Codable, CaseIterable {
    case text, json
}

extension SourceSettings {
    /// The names under which a challenge comes: Dropbox's, and WebSub's (https://www.w3.org/TR/websub/#hub-verifies-intent), which
    /// Meta and Strava follow.
    package static let challenges = ["challenge", "hub.challenge"]
    package static let longestChallenge = 512
}
