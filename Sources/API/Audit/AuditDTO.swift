internal import Domain
internal import Registry
internal import Schema
internal import Values

struct AuditEntryDTO: Encodable {
    /// Of entries of one moment, the one that was made later has the higher one.
    let id: String
    /// Milliseconds since 1970.
    let date: Int64
    let actor: ActorDTO
    let action: String
    let object: ObjectDTO
    let group_id: String?
    /// Of how many objects it tells, or how many times.
    let count: Int64
    /// By field: `{"before"?, "after"?}`.
    let changes: JSONValue

    struct ActorDTO: Encodable {
        let kind: String
        let id: String?
        /// Absent unless the call was root's.
        let root: Bool?
        /// Of the API key that was used.
        let key_id: String?
        let address: String?
    }

    struct ObjectDTO: Encodable {
        let kind: String
        let id: String?
        let name: String?
    }

    init(_ entry: AuditEntry) throws {
        self.id = String(entry.number)
        self.date = entry.at.milliseconds
        self.actor = ActorDTO(
            kind: entry.author.kind.rawValue, id: entry.author.id, root: entry.author.isRoot ? true : nil,
            key_id: entry.author.key, address: entry.author.address)
        self.action = entry.action
        self.object = ObjectDTO(kind: entry.kind, id: entry.object, name: entry.name)
        self.group_id = entry.group?.description
        self.count = entry.count
        self.changes = try JSON.decode(entry.changes)
    }
}
