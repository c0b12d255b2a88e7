import Foundation
import Testing

@testable import embed_text

@Suite("Texts in the code")
struct EmbeddedTextTests {
    @Test(
        "are literals in which nothing of them ends the literal or is an escape",
        arguments: [
            ("one\ntwo\n", "#\"\"\"\none\ntwo\n\n\"\"\"#"),
            ("a \\n and a \\#n", "##\"\"\"\na \\n and a \\#n\n\"\"\"##"),
            ("\"\"\"#", "##\"\"\"\n\"\"\"#\n\"\"\"##"),
            ("\"\"\"###", "####\"\"\"\n\"\"\"###\n\"\"\"####"),
            ("lines\r\nof Windows\u{0}\u{7F}", "#\"\"\"\nlines\\#u{d}\nof Windows\\#u{0}\\#u{7f}\n\"\"\"#"),
            ("\ttabs and é", "#\"\"\"\n\ttabs and é\n\"\"\"#"),
            ("", "#\"\"\"\n\n\"\"\"#"),
        ])
    func literal(text: String, expected: String) {
        #expect(EmbedTextTool.literal(text) == expected)
    }

    @Test(
        "are named as their files",
        arguments: [
            ("openapi.json", "openapi_json"), ("0001_initial.sql", "_001_initial_sql"),
            ("app.min-1.css", "app_min_1_css"),
        ])
    func identifier(file: String, expected: String) {
        #expect(EmbedTextTool.identifier(file) == expected)
    }

    @Test("are not taken where two would have one name, or one is no text")
    func refused() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { #expect(throws: Never.self) { try FileManager.default.removeItem(at: folder) } }
        let (alike, same) = (folder.appending(path: "a.b"), folder.appending(path: "a-b"))
        try Data("x".utf8).write(to: alike)
        try Data("x".utf8).write(to: same)
        let bytes = folder.appending(path: "c")
        try Data([0xFF]).write(to: bytes)
        #expect(try EmbedTextTool.code(of: [alike]).contains("static let a_b = "))
        #expect(throws: EmbedTextTool.Refusal.self) { try EmbedTextTool.code(of: [alike, same]) }
        #expect(throws: EmbedTextTool.Refusal.self) { try EmbedTextTool.code(of: [bytes]) }
    }
}
