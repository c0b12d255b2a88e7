/// Settings of a webhook that are described field by field.
///
/// They are stored as JSON. What an older version did not write has its default.
package protocol FieldTable: Sendable, Equatable, Codable {
    init()
    static var fields: [Field<Self>] { get }
    static var stored: [StoredField<Self>] { get }
}

extension FieldTable {
    package init(from decoder: any Decoder) throws {
        self.init()
        let values = try decoder.container(keyedBy: FieldKey.self)
        for field in Self.stored { try field.decode(values, &self) }
    }

    package func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: FieldKey.self)
        for field in Self.stored { try field.encode(self, &values) }
    }

    /// What is not mentioned stays, and null puts it back to its default.
    package mutating func change(by object: JSONObject) throws(InvalidField) {
        for field in Self.fields where object.has(field.name) { try field.read(object, &self) }
    }

    /// Refuses texts that are empty and have to say something. What is as it was goes on, if an older build took it.
    ///
    /// - Parameter object: what this was changed by.
    package func refuseEmptyTexts(in object: JSONObject, changing former: Self) throws(InvalidField) {
        for field in Self.fields where !field.isSame(self, former) {
            guard let value = object.fields[field.name] else { continue }
            try field.form.refuseEmptyTexts(in: value, at: object.name(field.name))
        }
    }

    /// Each by itself.
    ///
    /// - Throws: ``InvalidField``, named as the API names it.
    func checkFields() throws(InvalidField) {
        for field in Self.fields { try field.check(self) }
    }

    /// What is answered.
    package func answer(seenBy role: Role) -> [(name: String, value: JSONValue)] {
        Self.fields.compactMap { field in field.write(self, role).map { (field.name, $0) } }
    }

    /// The names of what is not the same.
    package func differences(from other: Self) -> [String] {
        Self.fields.filter { !$0.isSame(self, other) }.map(\.name)
    }

    package static var shapes: [String: Shape] {
        Dictionary(Self.fields.map { ($0.name, $0.form.shape) }) { first, _ in first }
    }
}

/// A member of the JSON that settings are stored as.
package struct StoredField<Root: Sendable>: Sendable {
    fileprivate let decode: @Sendable (KeyedDecodingContainer<FieldKey>, inout Root) throws -> Void
    fileprivate let encode: @Sendable (Root, inout KeyedEncodingContainer<FieldKey>) throws -> Void

    init<Value: Codable & Sendable>(_ name: String, _ path: any WritableKeyPath<Root, Value> & Sendable) {
        let key = FieldKey(name)
        self.decode = { values, root in
            if let value = try values.decodeIfPresent(Value.self, forKey: key) { root[keyPath: path] = value }
        }
        self.encode = { root, values in try values.encode(root[keyPath: path], forKey: key) }
    }

    /// Nothing is not stored.
    init<Value: Codable & Sendable>(_ name: String, _ path: any WritableKeyPath<Root, Value?> & Sendable) {
        let key = FieldKey(name)
        self.decode = { values, root in
            root[keyPath: path] = try values.decodeIfPresent(Value.self, forKey: key)
        }
        self.encode = { root, values in try values.encodeIfPresent(root[keyPath: path], forKey: key) }
    }
}

/// The name of a member.
package struct FieldKey: CodingKey {
    package let stringValue: String
    package var intValue: Int? { nil }

    package init(_ name: String) {
        self.stringValue = name
    }

    package init?(stringValue: String) {
        self.init(stringValue)
    }

    package init?(intValue: Int) { nil }
}
