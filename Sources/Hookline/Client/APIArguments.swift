internal import ArgumentParser
internal import Domain
internal import LocalServices
internal import Values

/// Where a running Hookline is, and who asks it: by the command, by a context, by the environment, or else by the context that is used.
struct APIArguments: ParsableArguments {
    @Option(help: "The API's url; HOOKLINE_URL otherwise.")
    var url: String?

    @Option(help: "A file with an API key or a token; HOOKLINE_KEY has the key itself otherwise.", completion: .file())
    var keyFile: String?

    @Option(help: "A file with certificates of authorities (PEM), beside the system's.", completion: .file())
    var caFile: String?

    @Option(help: "The installation to ask, of those that `hookline context` knows.", completion: Completions.contexts)
    var context: String?

    private static let usual = "http://127.0.0.1:9021"

    func connection() throws -> APIConnection {
        var place = try self.context.map { try ContextFile().read().place($0) }
        var url = self.url ?? place?.url ?? ContextFile.environment("HOOKLINE_URL")
        var key = try (self.keyFile ?? place?.keyFile).map(Self.firstWord)
        if key == nil { key = ContextFile.environment("HOOKLINE_KEY") }
        if key == nil {
            let used: ClientContexts.Place
            do { used = try ContextFile().read().place(nil) } catch let problem as ClientProblem {
                throw ClientProblem("HOOKLINE_KEY is not set, and \(problem)")
            }
            place = used
            url = url ?? used.url
            key = try Self.firstWord(of: used.keyFile)
        }
        return try APIConnection(url: url ?? Self.usual, key: Secret(key ?? ""), caFile: self.caFile)
    }

    private static func firstWord(of file: String) throws -> String {
        let text: String
        do throws(UnreadableFile) { text = try Files.text(of: file) } catch {
            throw ClientProblem("\(file) \(error.reason)")
        }
        return text.split(whereSeparator: \.isWhitespace).first.map(String.init) ?? ""
    }
}
