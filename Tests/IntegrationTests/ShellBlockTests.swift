import LocalServices
import TestSupport
import Testing

/// Whatever a page shows to be typed is tried somewhere: a page or a block that nobody tries fails here.
@Suite("What pages show to be typed")
struct ShellBlockTests {
    private static func read(_ path: String) throws -> String {
        try #require(Files.read("\(HooklineProcess.root)/\(path)"), "\(path)")
    }

    /// Of everybody who reads or changes Hookline.
    private static func pages() async throws -> [String] {
        let find = "cd '\(HooklineProcess.root)' && find . -path './.*' -prune -o -name '*.md' -printf '%P\\n'"
        let found = try await ChildProcess.complete("sh", ["-c", find])
        return found.split(separator: "\n").map(String.init).sorted()
    }

    private static func blocks(_ trial: ShellBlock.Trial) throws -> [ShellBlock] {
        try ShellBlock.trials.keys.sorted().flatMap(ShellBlock.all).filter { $0.trial == trial }
    }

    @Test("is tried, each block of each page, in one place")
    func everyBlock() async throws {
        let pages = try await Self.pages()
        #expect(pages.contains("README.md") && pages.contains("docs/operations.md"))
        for page in pages {
            for block in try ShellBlock.all(of: page) {
                #expect(block.trial != nil, "nothing tries, or more than one place, of \(page):\n\(block.text)")
            }
        }
    }

    @Test("is told apart from everything else that is shown")
    func languages() async throws {
        let known = ["sh", "text", "ini", "json", "yaml", "csv", "sql", "python", "swift", "api"]
        for page in try await Self.pages() {
            for fence in try Fence.all(of: page) {
                #expect(known.contains(String(fence.language)), "\(page):\(fence.line) does not say what it shows")
            }
        }
    }

    @Test("is there, wherever something is said to be tried")
    func noneIsLeft() throws {
        for (page, trials) in ShellBlock.trials {
            let texts = try ShellBlock.all(of: page).map(\.text)
            for (words, trial) in trials {
                let count = texts.count { $0.contains(words) || words.isEmpty }
                #expect(words.isEmpty ? count > 0 : count == 1, "\(count) blocks of \(page) have \(words)")
                if case .by(let path) = trial {
                    #expect(try Self.read(path).contains(page), "\(path) does not name \(page)")
                }
            }
        }
    }

    @Test("by make has targets, variables and options that there are")
    func targets() throws {
        let makefile = try Self.read("Makefile")
        let targets = Set(makefile.split(separator: "\n").compactMap { $0.prefixMatch(of: /([a-z-]+):(?!=)/)?.1 })
        let options = Set(
            try Self.read("Sources/Load/LoadCommand.swift").matches(of: /var ([a-zA-Z]+) ?=|var ([a-zA-Z]+)\n/)
                .compactMap { ($0.1 ?? $0.2).map { Self.flag(String($0)) } })
        for block in try Self.blocks(.make) {
            for line in block.text.split(separator: "\n") {
                let command = try #require(line.firstMatch(of: /^(?:[A-Z_]+=\S+ )*make ([a-z-]+)/), "\(line)")
                #expect(targets.contains(command.1), "there is no target of \(line)")
                let line = line.prefix { $0 != "#" }
                for variable in line[command.range.upperBound...].matches(of: /\s([A-Z]+)=/) {
                    #expect(makefile.contains("$(\(variable.1))"), "\(line)")
                }
                for option in line.matches(of: /--[a-z-]+/) {
                    #expect(options.contains(String(option.0)), "there is no \(option.0) in \(line)")
                }
            }
        }
    }

    /// As the arguments' parser names it: `fanOut` is `--fan-out`.
    private static func flag(_ name: String) -> String {
        "--" + name.map { $0.isUppercase ? "-\($0.lowercased())" : String($0) }.joined()
    }

    @Test("has commands with options that there are, where it cannot be typed here")
    func commands() async throws {
        var said: [String: String] = [:]
        func help(_ words: [String]) async throws -> String {
            let key = words.joined(separator: " ")
            if said[key] == nil { said[key] = try await HooklineProcess.run(words + ["--help"]).output }
            return said[key] ?? ""
        }
        for block in try Self.blocks(.commands) {
            let lines = block.text.split(separator: "\n").map { $0.prefix { $0 != "#" } }
                .filter { $0.contains(/^(?:hookline-\*\/)?hookline\s/) }
            #expect(!lines.isEmpty, "\(block.text)")
            for line in lines {
                let words = line.split(separator: " ").dropFirst().prefix { $0.contains(/^[a-z][a-z-]*$/) }
                    .map(String.init)
                let first = try #require(words.first, "\(line)")
                var told = try await help([first])
                #expect(told.contains("USAGE: hookline \(first)"), "there is no \(line)")
                if told.contains("SUBCOMMANDS:") {
                    let second = try #require(words.dropFirst().first, "\(line)")
                    told = try await help([first, second])
                    #expect(told.contains("USAGE: hookline \(first) \(second)"), "there is no \(line)")
                }
                for option in line.matches(of: /\s(--?[a-z][a-z-]*)/) {
                    #expect(told.contains(option.1), "there is no \(option.1) in \(line)")
                }
            }
        }
    }

    @Test("sets settings that there are, where it is only that")
    func settings() async throws {
        let help = try await HooklineProcess.run(["serve", "--help"]).output
        let flags = Set(help.matches(of: /--[a-z-]+/).map { String($0.0) })
        let blocks = try Self.blocks(.settings)
        #expect(blocks.count >= 5)
        for block in blocks {
            let names = block.text.matches(of: /(?:^|\s)([A-Z]+(?:_[A-Z]+)+)=/).map { String($0.1) }
            #expect(!names.isEmpty, "\(block.text)")
            for name in names {
                let flag = "--" + name.lowercased().replacing("_", with: "-")
                let ofSecret = flag.hasSuffix("-file") ? String(flag.dropLast(5)) : flag
                #expect(
                    flags.contains(flag) || flags.contains(ofSecret), "\(block.page) sets \(name), which is no setting")
            }
        }
    }

    @Test("on a Debian is what the package says there, of which a trial types every line")
    func debian() throws {
        let block = try #require(try ShellBlock.all(of: "README.md", with: "apt-get install").first)
        let page = try Self.read("deploy/debian/hookline.README.Debian")
        let lines = block.text.split(separator: "\n").map { $0.prefix { $0 != "#" } }
        #expect(lines.count > 5)
        for line in lines {
            // The package itself has been installed where its page is read.
            let line = line.replacing(" ./hookline_*_amd64.deb", with: "")
            #expect(page.contains(line.replacing(/\s+$/, with: "")), "\(line)")
        }
    }
}
