import LocalServices
import TestSupport

/// What a page shows to be typed, and where that is tried.
struct ShellBlock {
    enum Trial: Equatable {
        /// `CommandTests` types it at a `hookline dev`.
        case dev
        /// Make has these targets, and what is to be measured these options.
        case make
        /// There are these commands, with these options: what they need is not here.
        case commands
        /// There are these settings.
        case settings
        /// A test or script that reads it from the page, or does what it says, and names the page.
        case by(String)
    }

    let page: String
    let text: String
    /// nil where nobody has said so.
    let trial: Trial?

    /// By page: words that one block alone has, and where that block is tried; or no words, for all others of the page.
    static let trials: [String: [String: Trial]] = [
        "README.md": [
            "apt-get install": .by("scripts/deploy_trial/package.py"), "sha256sum --check": .commands,
            "make run": .make, "First webhook": .dev, "make test": .make, "hookline check-config": .commands,
            "Data pipeline": .dev,
        ],
        "docs/api.md": ["": .dev],
        "docs/as-code.md": ["": .dev],
        "docs/cli.md": ["": .dev, "hookline context set": .commands],
        "docs/commands.md": [
            "": .dev, "COMMAND_KEY": .by("Tests/IntegrationTests/ThingCommandTests.swift"),
        ],
        "docs/delivery.md": ["": .dev],
        "docs/faults.md": ["": .make],
        "docs/fleets.md": ["": .dev],
        "docs/identity.md": ["": .settings],
        "docs/mainflux.md": ["": .by("Tests/IntegrationTests/MainfluxTests.swift")],
        "docs/notices.md": ["": .dev],
        "docs/operations.md": [
            "make-secrets /etc": .by("scripts/deploy_trial/machine.py"), "--generate-completion-script": .dev,
            "mosquitto_ctrl dynsec init": .by("Tests/IntegrationTests/BrokerAccountTests.swift"),
            "setDefaultACLAccess": .by("Tests/IntegrationTests/BrokerAccountTests.swift"),
            "pg_dump": .by("Tests/IntegrationTests/OperationTests.swift"), "target_session_attrs": .settings,
            "First webhook": .dev,
        ],
        "docs/performance.md": ["": .make],
        "docs/scaling.md": ["CITUS_COORDINATOR": .by("scripts/test-against")],
        "docs/sources.md": ["": .dev],
        "docs/webhooks.md": ["": .dev],
    ]

    /// All that a page has, in its order.
    static func all(of page: String) throws -> [ShellBlock] {
        try Fence.all(of: page).filter { $0.language == "sh" }.map { fence in
            let named = Self.trials[page]?.filter { !$0.key.isEmpty && fence.text.contains($0.key) } ?? [:]
            let trial = named.isEmpty ? Self.trials[page]?[""] : named.count == 1 ? named.first?.value : nil
            return ShellBlock(page: page, text: fence.text, trial: trial)
        }
    }

    /// Those of a page that have the words.
    static func all(of page: String, with words: String) throws -> [ShellBlock] {
        let found = try Self.all(of: page).filter { $0.text.contains(words) }
        guard !found.isEmpty else { throw LocalServiceError("\(page) has no block with \(words)") }
        return found
    }

    /// Types blocks one after the other, as they stand; what is not taken ends it. Answers what was said.
    ///
    /// - Parameters:
    ///   - preamble: what comes before them.
    ///   - changes: what is another here than where they are typed.
    @discardableResult
    static func type(
        _ blocks: [ShellBlock], in folder: String, after preamble: String = "", changing changes: [String: String] = [:]
    ) async throws -> String {
        var text = blocks.map(\.text).joined(separator: "\n")
        for (old, new) in changes {
            guard text.contains(old) else { throw LocalServiceError("nothing to be typed has \(old)") }
            text = text.replacing(old, with: new)
        }
        let script = """
            set -eu
            hookline() { "\(HooklineProcess.binary)" "$@"; }
            trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
            \(preamble)
            \(text)
            """
        let page = blocks.first?.page.split(separator: "/").last ?? ""
        try Files.write(script, to: "\(folder)/\(page).sh")
        try await ChildProcess.complete(
            "bash", ["-c", "cd \(folder) && bash \(page).sh > \(page).out 2>&1 || { tail -5 \(page).out; exit 1; }"])
        return Files.read("\(folder)/\(page).out") ?? ""
    }
}

/// What stands between ``` in a page.
struct Fence {
    let line: Int
    /// What follows the first ```.
    let language: Substring
    var text = ""

    static func all(of page: String) throws -> [Fence] {
        guard let content = Files.read("\(HooklineProcess.root)/\(page)") else {
            throw LocalServiceError("there is no \(page)")
        }
        var found: [Fence] = []
        var open: Fence?
        for (index, line) in content.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let isMark = line.drop { $0 == " " }.hasPrefix("```")
            switch open {
            case nil where isMark:
                open = Fence(line: index + 1, language: line.drop { $0 == " " || $0 == "`" })
            case let fence? where isMark:
                found.append(fence)
                open = nil
            case nil: break
            case _?: open?.text += line + "\n"
            }
        }
        guard open == nil else { throw LocalServiceError("\(page) does not end what it shows") }
        return found
    }
}
