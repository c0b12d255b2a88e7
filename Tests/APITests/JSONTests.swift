import Domain
import Foundation
import Testing

@testable import API

@Suite("JSON of users")
struct JSONTests {
    @Test(
        "keeps its text",
        arguments: [
            "12345678901234567890", "21.70", "-0", "1e2", "1E+2", "0.0", "null", "true", #""a\"b""#, "[21.70,1e400,[]]",
            #"{"b":1.0,"a":{"z":[0.10],"a":1},"b":2.00}"#, #"{"é":"\u00e9\/"}"#, "{}", "9223372036854775808",
        ])
    func text(text: String) throws {
        #expect(JSON.text(try JSON.decode(text)) == text || text.contains("\\\""))
        let spaced = text.replacing(",", with: " ,\n\t").replacing(":", with: " : ")
        #expect(JSON.text(try JSON.decode(" \(spaced)\n")) == JSON.text(try JSON.decode(text)))
        struct Answer: Encodable {
            let z = 1
            let json: JSONValue
        }
        let answer = String(decoding: try JSONWriter.bytes(of: Answer(json: try JSON.decode(text))), as: UTF8.self)
        #expect(answer == "{\"json\":\(JSON.text(try JSON.decode(text))),\"z\":1}")
    }

    @Test("has names that are the same if their bytes are, and may look the same otherwise")
    func names() throws {
        let value = try JSONValue(reading: Array("{\"\u{E9}\":1,\"e\u{301}\":2}".utf8), most: 9, takesRepeated: false)
        guard case .object(let fields) = value else {
            Issue.record("no object")
            return
        }
        #expect(fields["\u{E9}"] == .integer(1) && fields["e\u{301}"] == .integer(2) && fields.keys.count == 2)
        #expect(JSONValue.string("\u{E9}") != .string("e\u{301}"))
        #expect(value != .object(["\u{E9}": .integer(1)]))
        #expect(JSONValue.object(["\u{E9}": .integer(1)]) != .object(["e\u{301}": .integer(1)]))
    }

    @Test("of what a publish said is shown as it stands, whatever its properties are called")
    func properties() throws {
        var parts = MessageProperties.Parts()
        parts.user = [(String(repeating: "n", count: 2_000), "a"), ("b", "1"), ("b", "2")]
        let properties = MessageProperties(parts)
        let shown = try JSONWriter.bytes(of: ["mqtt": JSONValue(properties)])
        #expect(String(decoding: shown, as: UTF8.self) == #"{"mqtt":\#(properties.text)}"#)
    }

    @Test(
        "is refused for what it is",
        arguments: [
            ("", "is not valid JSON"), ("[1,]", "is not valid JSON"), (#"{"a":1,}"#, "is not valid JSON"),
            ("{} x", "is not valid JSON"), ("NaN", "is not valid JSON"),
            ("\u{FEFF}{}", "is not valid JSON: it begins with a byte order mark, which JSON does not have"),
            (String(repeating: "[", count: 65) + String(repeating: "]", count: 65), "is nested more than 64 deep"),
            (#"["\ud800"]"#, "has half of a surrogate pair, which is no text"),
            (#"{"\udc00":1}"#, "has half of a surrogate pair, which is no text"),
            ("[1e10000]", "has a number of over 1024 characters, or with an exponent beyond 9999"),
            (
                String(repeating: "1", count: 1_025),
                "has a number of over 1024 characters, or with an exponent beyond 9999"
            ),
            ("[\(Array(repeating: "0", count: 50_000).joined(separator: ","))]", "has over 50000 values"),
            ("{\"\(String(repeating: "é", count: 501))\":0}", "has a name of over 1000 bytes"),
            (#"{"a":"\u0000","a":1}"#, "must not have a zero byte"), (#"["\u0000"]"#, "must not have a zero byte"),
        ])
    func refused(text: String, reason: String) throws {
        let error = #expect(throws: InvalidField.self) { try JSON.decode(text) }
        #expect(error?.reason == reason)
        #expect(throws: InvalidField.self) {
            try JSONValue(reading: text.utf16.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] })
        }
        #expect(throws: InvalidField.self) { try JSONValue(reading: [0x22, 0xB0, 0x22]) }
    }

    @Test(
        "is refused with the place of a zero byte",
        arguments: [
            (#"{"a":[0,{"b":"\u0000"}]}"#, "a[1].b"), (#"[["\u0000"]]"#, "[0][0]"), (#"[{"a":"\u0000"}]"#, "[0].a"),
            (#"{"a":{"\u0000":1}}"#, "a"), (#"{"\u0000":1}"#, "the body"), (#""\u0000""#, "the body"),
            (#"{"a":"\u0000","a":1}"#, "the body"),
        ])
    func zeroByte(text: String, field: String) {
        let error = #expect(throws: InvalidField.self) { try JSON.decode(text) }
        #expect(error?.field == field)
    }

    @Test("has whole numbers however they are written, and none that are too large")
    func numbers() throws {
        let object = try JSONObject(
            try JSON.decode(
                #"{"a":1.0,"b":1e3,"c":1.5,"d":9223372036854775808,"e":1e999,"f":-0,"g":9223372036854775807}"#), at: "")
        #expect(try object.integer("a") == 1)
        #expect(try object.integer("b") == 1_000)
        #expect(try object.integer("f") == 0)
        #expect(try object.integer("g") == .max)
        for field in ["c", "d", "e"] {
            #expect(throws: InvalidField.self, "\(field)") { try object.integer(field) }
        }
        let fraction = #expect(throws: InvalidField.self) { try object.integer("c") }
        #expect(fraction?.reason == "must be a whole number, not 1.5")
        let list = try JSONObject(try JSON.decode(#"{"n":[1,1.5]}"#), at: "")
        let fractions = #expect(throws: InvalidField.self) { try list.integers("n") }
        #expect(fractions?.reason == "must be a whole number, not 1.5" && fractions?.field == "n[1]")
        #expect(try object.number("c") == 1.5)
        #expect(throws: InvalidField.self) { try object.number("e") }
    }

    /// Everything that an answer may hold.
    private struct Everything: Codable, Equatable {
        struct Inner: Codable, Equatable {
            var list: [Int64] = [.min, .max]
            var map = ["b/\"\\": [1.5, 2, -0.1, 1e300], "a": []]
        }
        var text = (0...0x7F as ClosedRange<UInt8>).map { String(Unicode.Scalar($0)) }.joined() + "é😀\u{2028}"
        var none: String?
        var some: Int? = 5
        var isSet = true
        var inners = [Inner(), Inner()]
        var nested: [[String?]] = [["a", nil], []]
        var small: UInt8 = 255
    }

    @Test("is written as another encoder writes it, and read by another decoder as what it was")
    func encoder() throws {
        let everything = Everything()
        let bytes = Data(try JSONWriter.bytes(of: everything))
        #expect(try JSONDecoder().decode(Everything.self, from: bytes) == everything)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let (mine, theirs) = (
            try JSONSerialization.jsonObject(with: bytes) as? NSDictionary,
            try JSONSerialization.jsonObject(with: try encoder.encode(everything)) as? NSDictionary
        )
        #expect(mine != nil && mine == theirs)
        for value in [1.0, 21.7, 1e20, -0.5, 123456789.25] {
            #expect(try JSONWriter.bytes(of: [value]) == Array(try encoder.encode([value])))
        }
        #expect(throws: EncodingError.self) { try JSONWriter.bytes(of: [Double.nan]) }
        #expect(try JSONWriter.bytes(of: [String: Int]()) == Array("{}".utf8))
        #expect(try JSONWriter.bytes(of: [Int]()) == Array("[]".utf8))
    }
}
