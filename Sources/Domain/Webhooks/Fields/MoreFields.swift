extension FieldKind where Value == [String] {
    /// Users' ids.
    static var users: FieldKind {
        FieldKind(
            .list(.text(1...longestUser), 0...WebhookOptions.mostNotified),
            read: { (object, name) throws(InvalidField) in try object.strings(name) },
            write: { users in .array(users.map(JSONValue.string)) },
            check: { (users, name) throws(InvalidField) in
                guard users.count <= WebhookOptions.mostNotified else {
                    throw InvalidField(name, "must name at most \(WebhookOptions.mostNotified) users")
                }
                for (index, user) in users.enumerated() {
                    // It becomes a level of a topic.
                    guard (1...longestUser).contains(user.unicodeScalars.count),
                        user.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0 != "+" && $0 != "#" && $0 != "/" })
                    else { throw InvalidField("\(name)[\(index)]", "must be a user's id without /, + or #") }
                }
            })
    }
}

private let longestUser = 254

extension FieldKind where Value == String {
    /// The text of an object of JSON.
    static var metadata: FieldKind {
        FieldKind(
            .own,
            read: { (object, name) throws(InvalidField) in
                try object.object(name).map { JSONValue.object($0.fields).text }
            },
            write: { text in (try? JSONValue(reading: Array(text.utf8))) ?? .object([:]) },
            check: { (text, name) throws(InvalidField) in
                guard text.utf8.count <= WebhookOptions.longestMetadata else {
                    throw InvalidField(name, "must be at most \(WebhookOptions.longestMetadata) bytes of JSON")
                }
            })
    }
}
