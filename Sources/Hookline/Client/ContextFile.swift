internal import ArgumentParser
internal import Domain
internal import Glibc
internal import LocalServices

/// Where contexts are kept: `$XDG_CONFIG_HOME/hookline/contexts.json`, or else below `~/.config`.
struct ContextFile: Sendable {
    private let folder: String
    private var path: String { "\(self.folder)/contexts.json" }

    init() throws {
        if let base = Self.environment("XDG_CONFIG_HOME") {
            self.folder = "\(base)/hookline"
        } else if let home = Self.environment("HOME") {
            self.folder = "\(home)/.config/hookline"
        } else {
            throw ClientProblem("neither HOME nor XDG_CONFIG_HOME says where contexts are kept")
        }
    }

    func read() throws -> ClientContexts {
        guard let text = Files.read(self.path) else { return ClientContexts() }
        do throws(InvalidField) { return try ClientContexts(reading: Array(text.utf8)) } catch {
            throw ClientProblem("\(self.path): \(error)")
        }
    }

    /// Reads what is kept, and keeps what becomes of it; nothing changes if that fails.
    static func change(_ body: (inout ClientContexts) throws -> Void) throws {
        let file = try ContextFile()
        var contexts = try file.read()
        try body(&contexts)
        try file.write(contexts)
    }

    private func write(_ contexts: ClientContexts) throws {
        var folder = ""
        for part in self.folder.split(separator: "/") {
            folder += "/\(part)"
            if !Files.exists(folder) { try Files.makeFolder(folder, mode: 0o700) }
        }
        // Whole or not at all, and for nobody else to read.
        try Files.write(contexts.text, to: "\(self.path).new", mode: 0o600)
        guard rename("\(self.path).new", self.path) == 0 else {
            throw ClientProblem("\(self.path) cannot be written: \(String(cString: strerror(errno)))")
        }
    }

    /// nil if it is not set, or empty.
    static func environment(_ name: String) -> String? {
        guard let value = getenv(name).map({ String(cString: $0) }), !value.isEmpty else { return nil }
        return value
    }
}

struct ContextCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "context", abstract: "The installations that get, describe and the like ask.",
        subcommands: [Set.self, Use.self, List.self, Delete.self])

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Keep an installation under a name, and use it from now on.")

        @Argument(help: "Its name here.") var name: String
        @Option(help: "The url of its API, such as https://hookline.example.com.") var url: String
        @Option(help: "A file with an API key or a token; it is read anew each time.", completion: .file())
        var keyFile: String

        func run() async throws {
            guard !self.name.isEmpty else { throw ValidationError("a name is needed") }
            _ = try APIConnection.base(self.url)
            let path = self.keyFile.hasPrefix("/") ? self.keyFile : "\(Files.currentFolder)/\(self.keyFile)"
            guard Files.exists(path) else { throw ClientProblem("\(path) cannot be read") }
            try ContextFile.change { contexts in
                contexts.places[self.name] = .init(url: self.url, keyFile: path)
                contexts.current = self.name
            }
            print("\(self.name) is used from now on.")
        }
    }

    struct Use: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Use one from now on.")

        @Argument(help: "Its name.", completion: Completions.contexts) var name: String

        func run() async throws {
            try ContextFile.change { contexts in
                _ = try contexts.place(self.name)
                contexts.current = self.name
            }
            print("\(self.name) is used from now on.")
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Forget one. The file with its key stays.")

        @Argument(help: "Its name.", completion: Completions.contexts) var name: String

        func run() async throws {
            var wasUsed = false
            try ContextFile.change { contexts in
                let before = contexts.current
                try contexts.remove(self.name)
                wasUsed = contexts.current != before
            }
            print("\(self.name) is forgotten.\(wasUsed ? " None is used from now on." : "")")
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show them; the one that is used has a star.")

        func run() async throws {
            let contexts = try ContextFile().read()
            for (name, place) in contexts.places.sorted(by: { $0.key < $1.key }) {
                print("\(name == contexts.current ? "*" : " ") \(name)  \(place.url)")
            }
        }
    }
}
