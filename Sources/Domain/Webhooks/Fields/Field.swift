/// One field that a webhook's owners may set: everything that there is to know of it.
///
/// What a request says is read by it and checked, what is answered and what is stored is written by it, a change is noticed by it,
/// and openapi.json and the console's form have its limits (a test compares them). Nothing of it is asked for when a message is sent.
package struct Field<Root: FieldTable>: Sendable {
    /// As the API names it.
    package let name: String
    package let form: Form
    /// Whether parts of it are masked for who may not change the webhook. Then it is stored under the seal.
    package let isSecret: Bool
    let read: @Sendable (JSONObject, inout Root) throws(InvalidField) -> Void
    let write: @Sendable (Root, Role) -> JSONValue?
    let check: @Sendable (Root) throws(InvalidField) -> Void
    let isSame: @Sendable (Root, Root) -> Bool
    let stored: [StoredField<Root>]

    /// - Parameters:
    ///   - stored: what it is kept as.
    ///   - isSecret: if so, `write` masks it itself.
    ///   - read: only asked if the object has the field, if only as null.
    init<Value: Equatable & Sendable>(
        _ name: String, _ path: any WritableKeyPath<Root, Value> & Sendable, stored: [StoredField<Root>], _ form: Form,
        isSecret: Bool = false, read: @escaping @Sendable (JSONObject, inout Root) throws(InvalidField) -> Void,
        write: @escaping @Sendable (Root, Role) -> JSONValue?,
        check: @escaping @Sendable (Root) throws(InvalidField) -> Void = { _ in }
    ) {
        self.init(
            name: name, form: form, isSecret: isSecret, read: read, write: write, check: check,
            isSame: { $0[keyPath: path] == $1[keyPath: path] }, stored: stored)
    }

    /// What everybody sees, and null puts back to its default.
    init<Value: Equatable & Sendable>(
        _ name: String, _ path: any WritableKeyPath<Root, Value> & Sendable, stored: [StoredField<Root>],
        _ kind: FieldKind<Value>
    ) {
        self.init(
            name, path, stored: stored, kind.form,
            read: { (object, root) throws(InvalidField) in
                root[keyPath: path] = try kind.read(object, name) ?? Root()[keyPath: path]
            },
            write: { root, _ in kind.write(root[keyPath: path]) },
            check: { (root) throws(InvalidField) in try kind.check(root[keyPath: path], name) })
    }

    init<Value: Codable & Equatable & Sendable>(
        _ name: String, _ path: any WritableKeyPath<Root, Value> & Sendable, stored: String, _ kind: FieldKind<Value>
    ) {
        self.init(name, path, stored: [StoredField(stored, path)], kind)
    }

    init<Value: Codable & Equatable & Sendable>(
        _ name: String, _ path: any WritableKeyPath<Root, Value?> & Sendable, stored: String, _ kind: FieldKind<Value>
    ) {
        self.init(name, path, stored: [StoredField(stored, path)], kind.orNothing)
    }

    /// What is answered where nothing was said.
    package var initial: JSONValue? { self.write(Root(), .owner) }

    /// The same field of what this is a part of, which stores the part as a whole.
    func within<Whole: FieldTable>(_ part: any WritableKeyPath<Whole, Root> & Sendable) -> Field<Whole> {
        Field<Whole>(
            name: self.name, form: self.form, isSecret: self.isSecret,
            read: { (object, whole) throws(InvalidField) in try self.read(object, &whole[keyPath: part]) },
            write: { self.write($0[keyPath: part], $1) },
            check: { (whole) throws(InvalidField) in try self.check(whole[keyPath: part]) },
            isSame: { self.isSame($0[keyPath: part], $1[keyPath: part]) }, stored: [])
    }

    private init(
        name: String, form: Form, isSecret: Bool,
        read: @escaping @Sendable (JSONObject, inout Root) throws(InvalidField) -> Void,
        write: @escaping @Sendable (Root, Role) -> JSONValue?,
        check: @escaping @Sendable (Root) throws(InvalidField) -> Void,
        isSame: @escaping @Sendable (Root, Root) -> Bool, stored: [StoredField<Root>]
    ) {
        self.name = name
        self.form = form
        self.isSecret = isSecret
        self.read = read
        self.write = write
        self.check = check
        self.isSame = isSame
        self.stored = stored
    }
}
