/// How one kind of value is read from a request, written into an answer, and checked.
package struct FieldKind<Value: Sendable>: Sendable {
    let form: Form
    /// nil for null, which is the default.
    let read: @Sendable (_ object: JSONObject, _ name: String) throws(InvalidField) -> Value?
    /// nil leaves it out of the answer.
    let write: @Sendable (Value) -> JSONValue?
    /// - Throws: with the name given.
    let check: @Sendable (_ value: Value, _ name: String) throws(InvalidField) -> Void

    init(
        _ form: Form,
        read: @escaping @Sendable (_ object: JSONObject, _ name: String) throws(InvalidField) -> Value?,
        write: @escaping @Sendable (Value) -> JSONValue?,
        check: @escaping @Sendable (_ value: Value, _ name: String) throws(InvalidField) -> Void = { _, _ in }
    ) {
        self.form = form
        self.read = read
        self.write = write
        self.check = check
    }

    /// The same, or nothing, which is left out of the answer.
    var orNothing: FieldKind<Value?> {
        FieldKind<Value?>(
            self.form,
            read: { (object, name) throws(InvalidField) in
                guard let value = try self.read(object, name) else { return nil }
                return .some(value)
            },
            write: { value in value.flatMap { self.write($0) } },
            check: { (value, name) throws(InvalidField) in
                if let value { try self.check(value, name) }
            })
    }
}

extension FieldKind where Value == Bool {
    static var flag: FieldKind {
        FieldKind(
            .flag, read: { (object, name) throws(InvalidField) in try object.bool(name) }, write: { .bool($0) })
    }
}

extension FieldKind where Value: FixedWidthInteger {
    static func integer(_ range: ClosedRange<Int64>) -> FieldKind {
        FieldKind(
            .integer(range),
            read: { (object, name) throws(InvalidField) in
                try object.integer(name).map { Value(clamping: $0) }
            },
            write: { .integer(Int64(clamping: $0)) },
            check: { (value, name) throws(InvalidField) in
                guard range.contains(Int64(clamping: value)) else {
                    throw InvalidField(name, "must be a number from \(range.lowerBound) to \(range.upperBound)")
                }
            })
    }
}

extension FieldKind where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    /// - Parameter expected: what is said of others; nil lists what there is.
    static func choice(_ expected: String? = nil) -> FieldKind {
        FieldKind(
            .choice(of: Value.self),
            read: { (object, name) throws(InvalidField) in
                guard let expected, let text = try object.string(name) else { return try object.choice(name) }
                guard let value = Value(rawValue: text) else { throw InvalidField(object.name(name), expected) }
                return value
            },
            write: { .string($0.rawValue) })
    }
}

extension FieldKind where Value == String {
    /// - Parameter longest: in code points, as JSON Schema counts.
    static func text(longest: Int) -> FieldKind {
        FieldKind(
            .text(0...longest), read: { (object, name) throws(InvalidField) in try object.string(name) },
            write: { .string($0) },
            check: { (text, name) throws(InvalidField) in
                guard text.unicodeScalars.count <= longest else {
                    throw InvalidField(name, "must be at most \(longest) characters long")
                }
            })
    }
}

extension JSONValue {
    /// A number that is no text of anybody's, with as few digits as say which it is.
    init(_ number: Double) {
        let text = "\(number)"
        self = .number(WrittenNumber(value: number, text: text.hasSuffix(".0") ? String(text.dropLast(2)) : text))
    }
}
