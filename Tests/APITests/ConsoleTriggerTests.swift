import Domain
import Foundation
import TestSupport
import Testing

@Suite("What the console knows of triggers")
struct ConsoleTriggerTests {
    /// The entries `NAME: "text",` of an object of format.js.
    private func entries(of object: String) throws -> [String: String] {
        let file = "\(HooklineProcess.root)/Sources/Console/assets/format.js"
        let text = try String(contentsOfFile: file, encoding: .utf8)
        let parts = text.components(separatedBy: "const \(object) = {\n")
        try #require(parts.count == 2, "\(object) is there once")
        let body = try #require(parts[1].components(separatedBy: "\n};").first)
        return try body.split(separator: "\n").reduce(into: [:]) { entries, line in
            let (_, name, value) = try #require(try /^  ([A-Z_]+): "([^"]+)",$/.wholeMatch(in: line), "\(line)").output
            #expect(entries.updateValue(String(value), forKey: String(name)) == nil, "\(name)")
        }
    }

    @Test("are the kinds that there are, and Blynk's names for the same")
    func names() throws {
        #expect(try Set(self.entries(of: "triggers").keys) == Set(TriggerKind.allCases.map(\.rawValue)))
        let aliases = Dictionary(
            uniqueKeysWithValues: TriggerAlias.allCases.map { ($0.rawValue, $0.kind.rawValue) })
        #expect(try self.entries(of: "aliases") == aliases)
    }
}
