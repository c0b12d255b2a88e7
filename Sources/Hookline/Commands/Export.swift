internal import ArgumentParser
internal import Declarations
internal import Domain
internal import LocalServices
internal import Values

struct Export: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a file for `hookline apply` of what there is, by the HTTP API.",
        discussion: """
            All groups that the key may see, or one, or those of an org. Secrets are references to the environment; the file's \
            first lines name them. docs/as-code.md has more.
            """)

    @Option(help: "A group's name or id.", completion: Completions.names(of: .groups))
    var group: String?

    @Option(help: "An org's id.")
    var org: String?

    @Flag(help: "Leave things out.")
    var withoutThings = false

    @Option(name: [.short, .long], help: "Where to; standard output otherwise.", completion: .file())
    var output: String?

    @OptionGroup var api: APIArguments

    private static let mostThings = 10_000

    func validate() throws {
        guard self.group == nil || self.org == nil else { throw ValidationError("--group or --org, not both.") }
        guard self.org.map({ EntityID($0) != nil }) ?? true else { throw ValidationError("--org must be a UUID.") }
    }

    func run() async throws {
        let connection = try self.api.connection()
        let groups = try await connection.list("/groups", "groups").filter { group in
            if let wanted = self.group {
                let id = EntityID(wanted)?.description
                return id != nil && group.string("id") == id || group.string("name")?.isExactly(wanted) == true
            }
            if let org { return group.string("org_id") == EntityID(org)?.description }
            return true
        }
        guard !groups.isEmpty || self.group == nil else {
            throw Apply.Failure(description: "There is no group \(self.group ?? "") that the key may see.".printable)
        }
        var exported = Exported()
        do {
            for group in groups.sorted(by: Self.isBefore) {
                let present = try await connection.everything(
                    in: group, mostThings: self.withoutThings ? nil : Self.mostThings)
                let name = group.string("name") ?? ""
                let alike = groups.count { $0.string("name")?.isExactly(name) == true }
                try exported.add(present, isAlone: alike == 1)
            }
        } catch let error as InvalidField {
            throw Apply.Failure(description: "\(error)".printable)
        } catch let error as APIConnection.TooMany where error.kind == "things" {
            throw Apply.Failure(
                description: "\(error), which is the most that a file takes: --without-things leaves them out.")
        }
        if self.group == nil, try await Self.isRoot(connection) {
            for org in Set(groups.compactMap { $0.string("org_id") } + [self.org].compactMap(\.self)).sorted() {
                if case .object(let fields) = try await connection.call("GET", "/orgs/\(org)") {
                    exported.add(org: fields)
                }
            }
        }
        guard let output else { return print(exported.text, terminator: "") }
        try Files.write(exported.text, to: output)
    }

    private static func isBefore(_ one: JSONFields, _ other: JSONFields) -> Bool {
        (one.string("name") ?? "", one.string("id") ?? "") < (other.string("name") ?? "", other.string("id") ?? "")
    }

    /// Orgs are root's alone.
    private static func isRoot(_ connection: APIConnection) async throws -> Bool {
        if case .object(let me) = try await connection.call("GET", "/me") { me["root"] == .bool(true) } else { false }
    }
}
