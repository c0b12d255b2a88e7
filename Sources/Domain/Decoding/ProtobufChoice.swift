internal import Values

/// Which messages of Protocol Buffers payloads are: of one type of a descriptor set, or of one for each of some subtopics.
struct ProtobufChoice: Sendable {
    let descriptors: DescriptorReference
    /// By which it is told from others; of one without ``choices`` it is what ``init(stored:)`` reads.
    let text: String
    /// The full name of a type; nil if none is said for what has no other.
    private let type: String?
    /// The first whose filter takes the subtopic is the one; empty in one that stands beside a message.
    private let choices: [(filter: SubtopicFilter, name: String, decoder: PayloadDecoder)]
    /// For all other subtopics.
    private let others: [PayloadDecoder]

    private static let mark = "protobuf:"
    private static let (mostChoices, longestName, mostNamed) = (50, 200, 10)

    /// Of one type.
    private init(_ descriptors: DescriptorReference, type: String?) {
        self.descriptors = descriptors
        self.type = type
        self.text = "\(Self.mark)\(descriptors.digest):\(type ?? "")"
        self.choices = []
        self.others = []
    }

    init?(stored text: String) {
        guard text.hasPrefix(Self.mark) else { return nil }
        let parts = text.dropFirst(Self.mark.count).split(
            separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, Self.isDigest(parts[0]) else { return nil }
        self.init(.of(String(parts[0])), type: parts[1].isEmpty ? nil : String(parts[1]))
    }

    private static func isDigest(_ text: some StringProtocol) -> Bool {
        text.utf8.count == 64 && Hex.decode(text) != nil && text.lowercased() == text
    }

    /// - Parameter options: `descriptors`, either the set in base64 or `{"sha256", "size"}`; `type`; `types`, which are
    ///   `{"subtopic", "type"}`.
    init(_ options: JSONObject) throws(InvalidField) {
        let descriptors = try Self.descriptors(options)
        self.descriptors = descriptors
        let type = try options.string("type")
        if let type { try Self.check(name: type, at: options.name("type")) }
        self.type = type
        var choices: [(filter: SubtopicFilter, name: String, decoder: PayloadDecoder)] = []
        var text = "\(Self.mark)\(descriptors.digest):\(type ?? "")"
        let rows = try options.objects("types") ?? []
        guard rows.count <= Self.mostChoices else {
            throw InvalidField(options.name("types"), "must be at most \(Self.mostChoices)")
        }
        for row in rows {
            if let other = row.fields.keys.sorted().first(where: { $0 != "subtopic" && $0 != "type" }) {
                throw InvalidField(row.name(other), "is not known: there are subtopic, type")
            }
            guard let written = try row.string("subtopic"), let filter = SubtopicFilter(written) else {
                throw InvalidField(row.name("subtopic"), "must be a subtopic, in which + and # may stand for levels")
            }
            guard let name = try row.string("type") else { throw InvalidField(row.name("type"), "is required") }
            try Self.check(name: name, at: row.name("type"))
            choices.append((filter, name, PayloadDecoder(ProtobufChoice(descriptors, type: name))))
            text += "\n\(written)\n\(name)"
        }
        guard type != nil || !choices.isEmpty else { throw InvalidField(options.name("type"), "is required") }
        self.choices = choices
        self.others = [PayloadDecoder(ProtobufChoice(descriptors, type: type))]
        self.text = text
        try self.checkTypes(at: options.path)
    }

    private static func descriptors(_ options: JSONObject) throws(InvalidField) -> DescriptorReference {
        let field = options.name("descriptors")
        switch options.fields["descriptors"] {
        case nil, .null?:
            throw InvalidField(field, "is required: what protoc --include_imports --descriptor_set_out makes")
        case .string?:
            let bytes = try DescriptorSet.given(in: .object(options.fields), at: options.path) ?? []
            let reference = DescriptorReference.of(DescriptorReference.digest(of: bytes))
            guard reference.types == nil else { return reference }
            do throws(DecodingFault) {
                reference.fill(with: try DescriptorSetReader.read(bytes))
            } catch {
                let place = error.offset.map { ", at byte \($0)" } ?? ""
                throw InvalidField(field, "must be a FileDescriptorSet: \(error.reason)\(place)")
            }
            return reference
        case let reference?:
            let object = try JSONObject(reference, at: field)
            if let other = object.fields.keys.sorted().first(where: { $0 != "sha256" && $0 != "size" }) {
                throw InvalidField(object.name(other), "is not known: there are sha256, size")
            }
            _ = try object.integer("size")
            guard let digest = try object.string("sha256"), Self.isDigest(digest) else {
                throw InvalidField(object.name("sha256"), "must be 64 digits of hex")
            }
            return .of(digest)
        }
    }

    private static func check(name: String, at field: String) throws(InvalidField) {
        let others = Array("._".utf8)
        guard !name.isEmpty, name.utf8.count <= Self.longestName,
            name.utf8.allSatisfy({ $0.isLetterOrDigit || others.contains($0) })
        else { throw InvalidField(field, "must be the full name of a message, as acme.Uplink is") }
    }

    /// Of a set that nobody has read yet nothing is known.
    func checkTypes(at path: String) throws(InvalidField) {
        guard let types = self.descriptors.types else { return }
        func check(_ name: String, at field: String) throws(InvalidField) {
            guard types.messagesByName[name] == nil else { return }
            let names = types.messages.lazy.filter { !$0.isMapEntry }.map(\.name)
            if let near = Self.near(name, among: Array(names)) {
                throw InvalidField(field, "is no message of the descriptor set; did you mean \(near)?")
            }
            let some = names.sorted()
            let more = some.count > Self.mostNamed ? ", …" : ""
            let listed = some.prefix(Self.mostNamed).joined(separator: ", ")
            throw InvalidField(field, "is no message of the descriptor set: there are \(listed)\(more)")
        }
        if let type { try check(type, at: "\(path).type") }
        for (index, choice) in self.choices.enumerated() {
            try check(choice.name, at: "\(path).types[\(index)].type")
        }
    }

    /// One with the same last part, or else one that is written nearly so.
    private static func near(_ name: String, among names: [String]) -> String? {
        let last = name.split(separator: ".").last
        return names.first { $0.split(separator: ".").last == last } ?? Spelling.nearest(to: name, among: names)
    }

    func chosen(for subtopic: String) -> PayloadDecoder? {
        self.choices.first { $0.filter.matches(subtopic) }?.decoder ?? self.others.first
    }

    func read(_ payload: [UInt8], _ view: JSONView) throws(DecodingFault) -> [UInt8] {
        guard let type else { throw DecodingFault("no type is said for its subtopic") }
        guard let types = self.descriptors.types else { throw DecodingFault("its descriptor set is no longer there") }
        guard let place = types.messagesByName[type] else {
            throw DecodingFault("\(type) is no message of the descriptor set")
        }
        return try DescribedMessageReader.read(payload, as: place, of: types, view)
    }
}
