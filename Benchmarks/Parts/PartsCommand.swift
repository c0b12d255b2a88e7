internal import ArgumentParser

/// `hookline-parts`: the parts of a message's way, without I/O, each as often as is asked for.
@main
struct PartsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hookline-parts", abstract: "Does the parts of a message's way, and says what they take.")

    @Argument(help: "The part; all if it is left out.") var part: String?
    @Option(help: "How often; ten times as often as it is counted if it is left out.") var times: Int?
    @Flag(help: "Names the parts, how often each is counted, and what it may take as many times as another.") var list =
        false

    func validate() throws {
        guard self.times.map({ $0 > 0 }) ?? true else { throw ValidationError("--times is a number from 1 up") }
        guard let part = self.part, !Part.all.contains(where: { $0.name == part }) else { return }
        throw ValidationError("there is no part \(part): \(Part.all.map(\.name).joined(separator: ", "))")
    }

    func run() throws {
        guard !self.list else { return print(Part.all.map(\.line).joined(separator: "\n")) }
        for part in Part.all where self.part == nil || self.part == part.name {
            let body = try part.prepare()
            let times = self.times ?? part.times * 10
            let taken = try ContinuousClock().measure { try body(times) }
            print("\(part.name): \(part.text): \(taken / times)")
        }
    }
}
