/// What is known of a thing beyond its id, and of what a message of it crossed.
package struct ThingFacts: Sendable {
    package let name: String?
    package let profile: EntityID?
    /// What its owners call it.
    package let externalID: String?
    /// nil if it was not asked for.
    package let annotations: ThingAnnotations?
    /// nil unless the message crossed something at the webhook.
    package var crossing: Crossing?

    package init(
        name: String?, profile: EntityID?, externalID: String? = nil, annotations: ThingAnnotations? = nil
    ) {
        self.name = name
        self.profile = profile
        self.externalID = externalID
        self.annotations = annotations
    }

    package static let unknown = ThingFacts(name: nil, profile: nil, annotations: .nothing)

    /// How much of it is needed: each with what comes before it.
    package enum Extent: Int, Sendable, Comparable {
        case nothing, names, annotations

        package static func < (a: Extent, b: Extent) -> Bool { a.rawValue < b.rawValue }
    }

    package var extent: Extent { self.annotations == nil ? .names : .annotations }

    /// Whose they are: a thing as this group has or had it. Its id may be another group's by now.
    package struct Subject: Hashable, Sendable {
        package let thing: EntityID
        package let group: EntityID
        /// The delivery whose crossing is wanted too.
        package let crossing: DeliveryID?

        package init(_ thing: EntityID, in group: EntityID, crossing: DeliveryID? = nil) {
            self.thing = thing
            self.group = group
            self.crossing = crossing
        }
    }
}

/// Labels and metadata of something.
package struct Annotations: Sendable {
    package let labels: [String]
    /// Read once; nil if it is no JSON, or nothing.
    package let metadata: RawJSON?

    package init(labels: [String] = [], metadata: String = "{}") {
        self.labels = labels
        self.metadata = metadata == "{}" ? nil : RawJSON(Array(metadata.utf8))
    }

    /// About how much memory it takes.
    var byteCount: Int {
        self.labels.reduce(64 + (self.metadata?.text.count ?? 0)) { $0 + 16 + $1.utf8.count }
    }

    /// A label's value as JSON, which is `true` for one that is only there; nil if there is none.
    func value(of key: String) -> RawJSON? {
        for label in self.labels where Label.key(of: label) == key {
            guard let mark = label.firstIndex(of: "=") else { return RawJSON(Array("true".utf8)) }
            return .string(String(label[label.index(after: mark)...]))
        }
        return nil
    }

    /// All labels as JSON.
    var list: RawJSON? {
        RawJSON(Array(JSONValue.array(self.labels.map(JSONValue.string)).text.utf8))
    }
}

extension RawJSON {
    fileprivate static func string(_ text: String) -> RawJSON? { RawJSON(Array(JSONValue.string(text).text.utf8)) }
}

/// What a thing's owners note of it, and of its profile. An object, as few things that are remembered have it.
package final class ThingAnnotations: Sendable {
    package let thing: Annotations
    package let profile: Annotations

    package init(thing: Annotations, profile: Annotations) {
        self.thing = thing
        self.profile = profile
    }

    package static let nothing = ThingAnnotations(thing: Annotations(), profile: Annotations())

    /// About how much memory it takes.
    package var byteCount: Int { self.thing.byteCount + self.profile.byteCount }

    subscript(holder: Placeholder.Holder) -> Annotations {
        switch holder {
        case .thing: self.thing
        case .profile: self.profile
        }
    }
}
