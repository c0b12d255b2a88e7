internal import API
internal import ArgumentParser
internal import Declarations
internal import Domain
internal import Glibc
internal import LocalServices
internal import Values

struct Apply: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make groups and what is in them what a file says, by the HTTP API.",
        discussion: """
            What is to be done is shown and asked about first. What the file does not name stays as it is; nothing is removed. Each \
            group is changed as a whole: if something of it fails, what was done of it is taken back. docs/as-code.md says what a file may hold. \
            Ends with 0 if all is as the file says, with 1 if it could not be made so, and with 2 if --dry-run finds that something is \
            to be done.
            """)

    @Option(name: [.short, .long], help: "The file: YAML, or JSON if its name ends with .json; - is standard input.")
    var file: String

    @Flag(help: "Show what would be done, and do nothing. Ends with 2 if that is something.")
    var dryRun = false

    @Flag(help: "Do not ask.")
    var yes = false

    @Flag(help: "Send secrets that cannot be compared, too: keys of things, secrets of sources, keys of certificates.")
    var setSecrets = false

    @OptionGroup var api: APIArguments

    /// Ends the command with 1 and this message.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    static let shapes: [DeclaredKind: Shape] = [
        .org: DeclarableBodies.org, .group: DeclarableBodies.group, .profile: DeclarableBodies.profile,
        .thing: DeclarableBodies.thing, .member: DeclarableBodies.member, .topicRule: DeclarableBodies.topicRule,
        .webhook: DeclarableBodies.webhook, .source: DeclarableBodies.source,
    ]

    func run() async throws {
        let text = try self.read()
        let connection = try self.api.connection()
        let plans: [GroupPlan]
        let orgs: [GroupPlan.Item]
        do {
            let declaration = try Declaration(text.value, shapes: Self.shapes)
            (plans, orgs) = try await self.plan(declaration, connection)
        } catch let error as InvalidField {
            throw Failure(description: self.told(error, text))
        }
        let changes = plans.flatMap(\.changes) + orgs.map(\.change).filter { !$0.isNothing }
        for plan in plans where !plan.changes.isEmpty { Self.show(plan) }
        for line in orgs.flatMap(\.change.lines) { print(line) }
        guard !changes.isEmpty else { return print("All is as \(self.file) says.") }
        let new = changes.count { $0.isNew }
        print("\(new) to be made, \(changes.count - new) to be changed.")
        if self.dryRun { throw ExitCode(2) }
        try self.ask()
        for plan in plans where !plan.changes.isEmpty { try await Self.carryOut(plan, connection) }
        for org in orgs where !org.change.isNothing {
            try await connection.call(
                "PUT", "/orgs/\(org.declared.label)", .object(try Self.fields(of: org, self.folder)))
        }
        print("Done.")
    }

    // MARK: The file

    private var folder: String {
        guard let slash = self.file.lastIndex(of: "/") else { return "." }
        return slash == self.file.startIndex ? "/" : String(self.file[..<slash])
    }

    private func read() throws -> DeclarationText {
        let path = self.file == "-" ? "/dev/stdin" : self.file
        guard let text = Files.read(path) else { throw Failure(description: "\(self.file) cannot be read.") }
        do throws(InvalidField) {
            return try DeclarationText(text, isJSON: self.file.hasSuffix(".json"))
        } catch {
            throw Failure(description: "\(self.file): \(error)".printable)
        }
    }

    /// With the line of the file.
    private func told(_ error: InvalidField, _ text: DeclarationText) -> String {
        let line = text.line(of: error.field).map { ":\($0)" } ?? ""
        return "\(self.file)\(line): \(error)".printable
    }

    // MARK: The plan

    private func plan(
        _ declaration: Declaration, _ connection: APIConnection
    ) async throws -> ([GroupPlan], [GroupPlan.Item]) {
        let groups = declaration.groups.isEmpty ? [] : try await connection.list("/groups", "groups")
        var plans: [GroupPlan] = []
        for group in declaration.groups {
            plans.append(
                try await GroupPlan(
                    group, among: groups, in: self.folder, setsSecrets: self.setSecrets, connection))
        }
        var orgs: [GroupPlan.Item] = []
        for org in declaration.orgs {
            var present: JSONFields = [:]
            if case .object(let fields) = try await connection.call("GET", "/orgs/\(org.label)") { present = fields }
            let planning = Planning(references: References(folder: self.folder), setsSecrets: self.setSecrets)
            orgs.append(try planning.plan(org, present))
        }
        return (plans, orgs)
    }

    private static func fields(of org: GroupPlan.Item, _ folder: String) throws(InvalidField) -> JSONFields {
        try Planning(references: References(folder: folder), setsSecrets: false).fields(of: org.declared, beside: nil)
    }

    private static func show(_ plan: GroupPlan) {
        let lines = plan.changes.flatMap { change in
            change.kind == .group ? change.lines : change.lines.map { "  \($0)" }
        }
        if plan.group.change.isNothing { print("  group \(plan.group.declared.label)".printable) }
        for line in lines { print(line) }
    }

    private func ask() throws {
        guard !self.yes else { return }
        guard isatty(STDIN_FILENO) == 1 else {
            throw Failure(description: "Nothing is done: nobody can be asked here, and --yes is not given.")
        }
        print("Go on? [y/N] ", terminator: "")
        fflush(nil)
        guard let answer = readLine(), ["y", "yes"].contains(answer.lowercased()) else {
            throw Failure(description: "Nothing is done.")
        }
    }

    private static func carryOut(_ plan: GroupPlan, _ connection: APIConnection) async throws {
        var application = GroupApplication(plan, connection)
        switch await application.run() {
        case .done: return
        case .undone(let reason, let left):
            let name = plan.group.declared.label
            var lines = ["group \(name): \(reason)".printable]
            if left.isEmpty {
                lines.append("What was done of this group is taken back.")
            } else {
                lines.append("What was done of this group is taken back, but for this:")
                lines += left.map { "  \($0)".printable }
            }
            throw Failure(description: lines.joined(separator: "\n"))
        }
    }
}
