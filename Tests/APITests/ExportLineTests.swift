import NIOCore
import Testing

@testable import API

@Suite("A line of an export")
struct ExportLineTests {
    @Test(
        "doubles each quote, also one that is joined to others",
        arguments: [
            ([nil, "", "a"], ",,a"), (["a,b", "c\nd"], "\"a,b\",\"c\nd\""), (["say \"no\""], "\"say \"\"no\"\"\""),
            (["\u{0D4E}\"\u{301},=1"], "\"\u{0D4E}\"\"\u{301},=1\""),
        ] as [([String?], String)])
    func line(fields: [String?], expected: String) {
        let line = Array(ExportFormat.csv.line(fields).readableBytesView)
        #expect(line == Array("\(expected)\r\n".utf8), "\(String(decoding: line, as: UTF8.self))")
    }
}
