import Domain
import TestSupport
import Testing

@Suite("Raw JSON")
struct RawJSONTests {
    @Test(
        "is what RFC 8259 says",
        arguments: [
            ("{}", true), (" [1, 2.5e-3 ,\"\\u00e9\"] ", true), ("-0.0", true), ("\"\"", true), ("null", true),
            (#"{"a":{"b":[]}}"#, true), ("", false), ("{", false), ("[1,]", false), (#"{"a" 1}"#, false),
            (#"{"a":1,}"#, false), ("01", false), ("1.", false), ("+1", false), (".5", false), ("1e", false),
            ("tru", false), ("nul", false), ("\"\n\"", false), (#""\x""#, false), (#""\u12g4""#, false), ("\"a", false),
            ("{} {}", false), ("'a'", false), ("NaN", false), ("{a:1}", false), ("[1 2]", false),
            ("\u{FEFF}{}", false), ("{}\0", false), ("[1,2", false), (#"{"a":1"#, false), (#"["a]"#, false),
        ])
    func valid(text: String, isValid: Bool) {
        #expect((RawJSON(Array(text.utf8)) != nil) == isValid)
    }

    @Test(
        "is in UTF-8",
        arguments: [
            ([0xB0], false), ([0xC3, 0xA9], true), ([0xC3], false), ([0xC3, 0x22], false), ([0xC0, 0x80], false),
            ([0xE0, 0x9F, 0xBF], false), ([0xE0, 0xA0, 0x80], true), ([0xED, 0xA0, 0x80], false),
            ([0xED, 0x9F, 0xBF], true),
            ([0xF0, 0x8F, 0xBF, 0xBF], false), ([0xF0, 0x9F, 0x98, 0x80], true), ([0xF4, 0x90, 0x80, 0x80], false),
            ([0xF5, 0x80, 0x80, 0x80], false), ([0xE2, 0x82], false), ([0xFF], false),
        ] as [([UInt8], Bool)])
    func encoding(bytes: [UInt8], isValid: Bool) {
        #expect((RawJSON(Array(#"{"a":""#.utf8) + bytes + Array(#""}"#.utf8)) != nil) == isValid)
        #expect((String(validating: bytes, as: UTF8.self) != nil) == isValid)
        #expect(RawJSON(#"{"a":1}"#.utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }) == nil, "UTF-16")
    }

    @Test("has the same values by an index of paths as by going there, whatever it holds")
    func index() {
        var generator = Seeded(7)
        let names = [#""a""#, #""b""#, #""\u0061""#]
        func value(_ depth: Int) -> String {
            let kind = Int.random(in: 0..<(depth > 3 ? 3 : 6), using: &generator)
            if kind == 0 { return String(Int.random(in: 0...9, using: &generator)) }
            if kind == 1 { return #""\u0061""# }
            if kind == 2 { return "null" }
            var parts: [String] = []
            for _ in 0..<Int.random(in: 0...3, using: &generator) {
                let name = names[Int.random(in: 0..<3, using: &generator)]
                parts.append(kind == 3 ? value(depth + 1) : name + ": " + value(depth + 1))
            }
            let inside = parts.joined(separator: " ,")
            return kind == 3 ? "[" + inside + "]" : "{" + inside + "}"
        }
        var texts = [""]
        for _ in 0..<3 {
            for text in texts { texts += [text + ".a", text + ".b", text + "[0]", text + "[1]"] }
        }
        let paths = Set(texts).compactMap { JSONPath($0) }
        for _ in 0..<2_000 {
            let text = Array(value(0).utf8)
            let (json, index) = (RawJSON(text), PayloadIndex(text, paths: PathSet(paths)))
            for path in paths {
                #expect(json?.value(at: path).map { Array($0.text) } == index.value(at: path).map { Array($0.text) })
            }
        }
    }

    @Test("is not followed deeper than it is safe to")
    func depth() {
        for (depth, isRead) in [(64, true), (65, false)] {
            let array = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
            let object =
                String(repeating: #"{"a":"#, count: depth) + "0" + String(repeating: "}", count: depth)
            for text in [array, object] {
                #expect((RawJSON(Array(text.utf8)) != nil) == isRead)
                let paths = PathSet([JSONPath("a.a.a")!, JSONPath("[0][0]")!])
                #expect((PayloadIndex(Array(text.utf8), paths: paths).json != nil) == isRead)
            }
        }
        #expect(RawJSON(Array(String(repeating: "[", count: 1_000_000).utf8)) == nil)
    }
}
