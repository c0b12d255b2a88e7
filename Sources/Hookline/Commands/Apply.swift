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
            What is to be done is shown and asked about first. What the file does not name stays as it is, unless --prune says otherwise. Each \
            group is changed as a whole: if something of it fails, what was done of it is taken back. docs/as-code.md says what a file may hold. \
            Ends with 0 if all is as the file says, with 1 if it could not be made so, and with 2 if --dry-run finds that something is \
            to be done.
            """)

    @Option(
        name: [.short, .long], help: "The file: YAML, or JSON if its name ends with .json; - is standard input.",
        completion: .file())
    var file: String

    @Flag(help: "Show what would be done, and do nothing. Ends with 2 if that is something.")
    var dryRun = false

    @Flag(help: "Do not ask.")
    var yes = false

    @Flag(help: "Send secrets that cannot be compared, too: keys of things, secrets of sources, keys of certificates.")
    var setSecrets = false

    @Option(help: "A file that keeps what applies have made or written; --prune needs it.", completion: .file())
    var state: String?

    @Flag(
        help: "Remove what applies have made or written, by the file of --state, and the file does not name any more.")
    var prune = false

    @OptionGroup var api: APIArguments

    func validate() throws {
        guard !self.prune || self.state != nil else {
            throw ValidationError("--prune needs --state, by which it is known what may be removed.")
        }
    }

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
        let file = self.state.map { OwnershipFile(path: $0) }
        var owned = try file?.read(of: connection.url)
        let plan: Plan
        do {
            let declaration = try Declaration(text.value, shapes: Self.shapes)
            plan = try await self.plan(declaration, owned, connection)
        } catch let error as InvalidField {
            throw Failure(description: self.told(error, text))
        }
        if !self.dryRun { try self.note(plan, &owned, file) }
        self.show(plan)
        guard !plan.changes.isEmpty else { return print("All is as \(self.file) says.") }
        print(Change.summary(of: plan.changes))
        if self.dryRun { throw ExitCode(2) }
        try self.ask()
        // What cannot be noted is not begun.
        if let owned { try file?.write(owned) }
        do { try await self.carryOut(plan.groups, &owned, file, connection) } catch let error as InvalidField {
            throw Failure(description: self.told(error, text))
        }
        for org in plan.orgs where !org.change.isNothing {
            try await connection.call(
                "PUT", "/orgs/\(org.declared.label)", .object(try Self.fields(of: org, self.folder)))
        }
        for group in plan.removals {
            guard let known = owned else { break }
            try await group.carryOut(known, connection)
            owned?.removeGroup(group.id)
            if let owned { try file?.write(owned) }
        }
        print("Done.")
    }

    /// What was found is noted whatever is done: what is gone must not stay owned, for somebody may make something that is called so.
    private func note(_ plan: Plan, _ owned: inout Ownership?, _ file: OwnershipFile?) throws {
        guard var found = owned else { return }
        for group in plan.groups {
            for entry in group.pruning.gone { found.remove(entry) }
            if let id = group.group.id, let name = group.group.present?.string("name") {
                found.rename(.init(.group, in: id, id: id), to: name)
            }
        }
        if found != owned { try file?.write(found) }
        owned = found
    }

    /// What is to be done.
    private struct Plan {
        var groups: [GroupPlan] = []
        var orgs: [GroupPlan.Item] = []
        var removals: [GroupRemoval] = []
        /// What is declared no more and stays, with why.
        var kept: [String] = []

        var changes: [Change] {
            self.groups.flatMap(\.changes) + self.orgs.map(\.change).filter { !$0.isNothing }
                + self.removals.map(\.change)
        }
    }

    private func show(_ plan: Plan) {
        for group in plan.groups where !group.changes.isEmpty { Self.show(group) }
        for line in (plan.orgs.map(\.change) + plan.removals.map(\.change)).flatMap(\.lines) { print(line) }
        for line in plan.groups.flatMap(\.pruning.kept) + plan.kept { print("Stays: \(line)".printable) }
    }

    // MARK: The file

    private var folder: String {
        guard let slash = self.file.lastIndex(of: "/") else { return "." }
        return slash == self.file.startIndex ? "/" : String(self.file[..<slash])
    }

    private func read() throws -> DeclarationText {
        let path = self.file == "-" ? "/dev/stdin" : self.file
        let text: String
        do throws(UnreadableFile) { text = try Files.text(of: path) } catch {
            throw Failure(description: "\(self.file) \(error.reason).".printable)
        }
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
        _ declaration: Declaration, _ owned: Ownership?, _ connection: APIConnection
    ) async throws -> Plan {
        let groups = declaration.groups.isEmpty ? [] : try await connection.list("/groups", "groups")
        var plan = Plan()
        for group in declaration.groups {
            plan.groups.append(
                try await GroupPlan(
                    group, among: groups, in: self.folder, setsSecrets: self.setSecrets, owned: owned,
                    prunes: self.prune, connection))
        }
        try GroupPlan.refuseRepetition(in: plan.groups.map { ($0.group.declared, $0.group.present) })
        for org in declaration.orgs {
            let planning = Planning(references: References(folder: self.folder), setsSecrets: self.setSecrets)
            plan.orgs.append(try planning.plan(org, try await Self.present(org, declaration, connection)))
        }
        if self.prune, let owned {
            let declared = Set(plan.groups.compactMap(\.group.id))
            for entry in owned.entries where entry.kind == .group && !declared.contains(entry.id) {
                guard let removal = try await GroupRemoval.look(at: entry.id, owned, connection) else {
                    plan.kept.append("group \(owned.name(of: entry)) is not there, or not to be seen with this key")
                    continue
                }
                if let reason = removal.reason { plan.kept.append(reason) } else { plan.removals.append(removal) }
            }
        }
        return plan
    }

    /// What there is of an org; nil if there is none, but one of the file's groups will be the first in it.
    private static func present(
        _ org: Declared, _ declaration: Declaration, _ connection: APIConnection
    ) async throws -> JSONFields? {
        do {
            if case .object(let fields) = try await connection.call("GET", "/orgs/\(org.label)") { return fields }
            return [:]
        } catch let refusal as APIConnection.Refusal where refusal.status == 404 {
            let isMade = declaration.groups.contains { group in
                group.group.text("org_id").flatMap { EntityID($0) } == org.id
            }
            guard isMade else {
                throw InvalidField(
                    "\(org.path).id",
                    "is no org that there is: it comes into being with the first group that has it as org_id")
            }
            return nil
        }
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

    private func carryOut(
        _ groups: [GroupPlan], _ owned: inout Ownership?, _ file: OwnershipFile?, _ connection: APIConnection
    ) async throws {
        var isFirst = true
        for shown in groups where !shown.changes.isEmpty {
            // While somebody was asked, or other groups were changed, there was time for others to change this one.
            let isFresh = self.yes && isFirst
            let group = isFresh ? shown : try await self.lookAgain(at: shown, owned, connection)
            isFirst = false
            var application = GroupApplication(group, connection)
            let failure = Self.failure(of: await application.run(), group)
            for (entry, name) in application.written { owned?.add(entry, name: name) }
            for entry in application.removed { owned?.remove(entry) }
            if failure == nil, let id = group.group.id {
                owned?.rename(.init(.group, in: id, id: id), to: group.group.declared.label)
            }
            do { if let owned { try file?.write(owned) } } catch {
                guard let failure else { throw error }
                throw Failure(description: "\(failure)\n\(error)")
            }
            if let failure { throw failure }
        }
    }

    /// - Returns: the same, by what there is now.
    /// - Throws: ``Failure`` if that is another plan: nobody has seen it.
    private func lookAgain(
        at shown: GroupPlan, _ owned: Ownership?, _ connection: APIConnection
    ) async throws -> GroupPlan {
        let group = try await GroupPlan(
            shown.declared, among: try await connection.list("/groups", "groups"), in: self.folder,
            setsSecrets: self.setSecrets, owned: owned, prunes: self.prune, connection)
        guard group.changes == shown.changes, group.group.id == shown.group.id else {
            let name = shown.group.declared.label
            throw Failure(
                description: "group \(name): somebody has changed it since this was shown, so nothing of it is done."
                    .printable)
        }
        return group
    }

    /// nil if there is none.
    private static func failure(of outcome: GroupApplication.Outcome, _ plan: GroupPlan) -> Failure? {
        guard case .undone(let reason, let left) = outcome else { return nil }
        let name = plan.group.declared.label
        var lines = ["group \(name): \(reason)".printable]
        if left.isEmpty {
            lines.append("What was done of this group is taken back.")
        } else {
            lines.append("What was done of this group is taken back, but for this:")
            lines += left.map { "  \($0)".printable }
        }
        return Failure(description: lines.joined(separator: "\n"))
    }
}
