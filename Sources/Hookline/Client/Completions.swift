internal import ArgumentParser
internal import Domain

/// What a shell offers for a word that somebody has begun.
enum Completions {
    /// Who has pressed a key waits no longer.
    private static let patience: Duration = .seconds(2)

    /// There is nothing to offer where they cannot be read.
    static let contexts = CompletionKind.custom { _, _, _ in
        do { return Self.written(try ContextFile().read().places.keys.sorted()) } catch { return [] }
    }

    /// The flags of settings, and nothing where the value of one is awaited.
    static let settings = CompletionKind.custom { words, index, _ in
        let before = TypedWords(words, at: index).before
        return before.map(Setting.flags.contains) == true ? [] : Self.written(Setting.flags)
    }

    /// What there is of a kind, by the installation that the line names.
    static func names(of kind: ResourceKind) -> CompletionKind { Self.asking { _ in kind } }

    /// What there is of the kind that the line names before.
    static let named = Self.asking { $0.kind }

    private static func asking(_ kind: @escaping @Sendable (TypedWords) -> ResourceKind?) -> CompletionKind {
        .custom { (words: [String], index: Int, _: String) async -> [String] in
            let typed = TypedWords(words, at: index, home: ContextFile.environment("HOME"))
            guard let kind = kind(typed) else { return [] }
            return Self.written(await Self.inTime { try await Self.names(of: kind, for: typed) })
        }
    }

    /// Where it cannot be told in time nothing is offered: there is no place to say why.
    private static func inTime(_ ask: @escaping @Sendable () async throws -> [String]) async -> [String] {
        await withTaskGroup(of: [String].self) { group in
            group.addTask {
                do { return try await ask() } catch { return [] }
            }
            group.addTask {
                do { try await Task.sleep(for: Self.patience) } catch { return [] }
                return []
            }
            let first = await group.next() ?? []
            group.cancelAll()
            return first
        }
    }

    private static func names(of kind: ResourceKind, for typed: TypedWords) async throws -> [String] {
        let options = ["--url", "--key-file", "--ca-file", "--context", "--group"].compactMap { option in
            typed.value(of: option).map { "\(option)=\($0)" }
        }
        let client = try await Line.asyncParse(options).client
        let api = try client.api.connection()
        let path = try await client.listPath(of: kind, api)
        var found = try await api.begun(typed.begun, kind, at: path)
        // It may be an id's beginning.
        if found.isEmpty, typed.begun.allSatisfy({ $0.isHexDigit || $0 == "-" }) {
            found = try await api.begun("", kind, at: path)
        }
        return NamedChoice.completions(of: typed.begun, among: ClientArguments.named(found))
    }

    /// The arguments of a line, as those of a command that may wait: what asks an installation belongs to no other.
    private struct Line: AsyncParsableCommand {
        @OptionGroup var client: ClientArguments
    }

    private static func written(_ words: [String]) -> [String] {
        guard let shell = CompletionShell.requesting.flatMap({ CompletingShell(rawValue: $0.rawValue) }) else {
            return words
        }
        return words.map(shell.written)
    }
}
