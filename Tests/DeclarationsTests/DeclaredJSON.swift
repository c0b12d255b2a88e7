import API
import Declarations
import Domain

/// As the command has them.
let shapes: [DeclaredKind: Shape] = [
    .org: DeclarableBodies.org, .group: DeclarableBodies.group, .profile: DeclarableBodies.profile,
    .thing: DeclarableBodies.thing, .member: DeclarableBodies.member, .topicRule: DeclarableBodies.topicRule,
    .webhook: DeclarableBodies.webhook, .source: DeclarableBodies.source,
]

func json(_ text: String) throws -> JSONValue { try JSONValue(reading: Array(text.utf8)) }

func fields(_ text: String) throws -> JSONFields {
    guard case .object(let fields) = try json(text) else { throw InvalidField("test", "is no object") }
    return fields
}
