internal import Domain
internal import Registry

/// What a caller says of a thing, checked.
struct ThingDraft {
    let name: String?
    let profile: EntityID?
    let key: ThingKey?
    /// It has none from now on if it is one of nil.
    let externalID: String??
    let annotations: AnnotationDraft
    /// The fields' names in the request.
    private let object: JSONObject

    /// - Parameter thing: as it is, if it is changed.
    init(_ object: JSONObject, changing thing: ThingRecord? = nil) throws(InvalidField) {
        self.object = object
        let name = try object.string("name")
        self.name = try name.map { name throws(InvalidField) in
            try Name.chosen(name, insteadOf: thing?.name, field: object.name("name"))
        }
        self.profile = try object.id("profile_id")
        self.key = try ThingKey.given(in: object)
        self.externalID =
            object.has("external_id")
            ? .some(
                try ExternalID.checked(try object.string("external_id") ?? "", field: object.name("external_id")))
            : nil
        self.annotations = try AnnotationDraft(object)
    }

    /// A new thing. What its owners call it is its name if it is given no other.
    func record(in group: EntityID, profile: EntityID? = nil) throws(InvalidField) -> ThingRecord {
        guard let name = self.name ?? (self.externalID ?? nil) else {
            throw InvalidField(self.object.name("name"), "is required")
        }
        guard let profile = self.profile ?? profile else {
            throw InvalidField(self.object.name("profile_id"), "is required")
        }
        return ThingRecord(
            id: try self.object.id("id") ?? .random(), group: group, profile: profile, name: name,
            externalID: self.externalID ?? nil, labels: self.annotations.labels ?? [],
            metadata: self.annotations.metadata ?? "{}")
    }

    var change: ThingChange {
        var change = ThingChange()
        change.name = self.name
        change.profile = self.profile
        change.key = self.key?.stored
        change.externalID = self.externalID
        change.labels = self.annotations.labels
        change.metadata = self.annotations.metadata
        return change
    }
}

/// Labels and metadata as a caller gives them; nil if they are not given. null is none.
struct AnnotationDraft {
    let labels: [String]?
    let metadata: String?

    init(_ object: JSONObject) throws(InvalidField) {
        self.labels =
            object.has("labels")
            ? try Label.checked(try object.strings("labels") ?? [], field: object.name("labels")) : nil
        self.metadata = try object.fields["metadata"].map { value throws(InvalidField) in
            try Metadata.checked(value, field: object.name("metadata"))
        }
    }
}
