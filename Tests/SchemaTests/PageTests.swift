import Domain
import Testing

@testable import Schema

@Suite("Pages of lists")
struct PageTests {
    private static let cursor = PageCursor(order: "name asc", position: 50, key: ["größe \"1\"\u{1F}", "x"])

    @Test(
        "go on by a text that says where, and comes back as it was",
        arguments: [
            Self.cursor, PageCursor(order: "last_triggered_at desc", position: 0, key: [nil, "id"]),
            PageCursor(order: "id desc", position: 1 << 53, key: [""]),
            PageCursor(order: "name asc", position: 1, key: [String(repeating: "ß", count: 254), "id"]),
            PageCursor(order: "name asc", position: 1, key: ["x@y", "id"], list: "0123456789abcdef"),
        ])
    func roundTrip(cursor: PageCursor) throws {
        let text = try cursor.text
        #expect(PageCursor(text: text) == cursor)
        #expect(text.utf8.allSatisfy { $0.isLetterOrDigit || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") })
    }

    @Test("go on by a text of before lists were named, and theirs are refused by who knows none")
    func unnamed() throws {
        let former = Base64.encode(Array(#"["name asc","50","x","id"]"#.utf8))
        #expect(PageCursor(text: former) == PageCursor(order: "name asc", position: 50, key: ["x", "id"]))
        let text = try Self.cursor.of(list: "abc").text
        let bytes = Base64.decode(text.replacing("-", with: "+").replacing("_", with: "/")) ?? []
        // It compares the order as a whole.
        #expect(String(decoding: bytes, as: UTF8.self).hasPrefix(#"["name asc@abc","50","#))
    }

    @Test(
        "do not go on by a text that is none of ours",
        arguments: [
            "", "x", "!", "{}", Base64.encode(Array(#"["name asc"]"#.utf8)),
            Base64.encode(Array(#"["name asc","1"]"#.utf8)),
            Base64.encode(Array(#"["name asc","-1","a"]"#.utf8)),
            Base64.encode(Array(#"["a","9007199254740993","a"]"#.utf8)),
            Base64.encode(Array(#"["a","99999999999999999999","a"]"#.utf8)),
            Base64.encode(Array(#"[null,"1","a"]"#.utf8)),
            Base64.encode(Array(#"["a",1,"a"]"#.utf8)), Base64.encode([0xFF, 0xFE, 0xFD]),
            String(repeating: "W", count: 5_000),
        ])
    func forged(text: String) {
        #expect(PageCursor(text: text) == nil)
    }

    @Test(
        "take a cursor of their own order alone, with a key that fits",
        arguments: [
            ("id desc", ["00000000-0000-4000-8000-000000000001"], PageRequest.Order.id, false),
            ("id desc", ["x", "00000000-0000-4000-8000-000000000001"], .id, true),
            ("id asc", ["x", "00000000-0000-4000-8000-000000000001"], .id, false),
            ("id desc", ["x", "no id"], .id, false),
            ("name desc", ["a", "00000000-0000-4000-8000-000000000001"], .name, true),
            ("name desc", [nil, "00000000-0000-4000-8000-000000000001"], .name, false),
            ("name desc", ["a", nil], .name, false),
            ("created_at desc", ["1700000000000000", "00000000-0000-4000-8000-000000000001"], .createdAt, true),
            ("created_at desc", ["soon", "00000000-0000-4000-8000-000000000001"], .createdAt, false),
            ("created_at desc", ["-9223372036854775808", "00000000-0000-4000-8000-000000000001"], .createdAt, false),
            ("attempts desc", ["7", "00000000-0000-4000-8000-000000000001"], .attempts, true),
            ("attempts desc", ["7.5", "00000000-0000-4000-8000-000000000001"], .attempts, false),
            ("last_triggered_at desc", [nil, "00000000-0000-4000-8000-000000000001"], .lastTriggeredAt, true),
        ] as [(String, [String?], PageRequest.Order, Bool)])
    func fitting(order: String, key: [String?], of list: PageRequest.Order, fits: Bool) {
        var request = PageRequest()
        request.order = list
        #expect(request.start(behind: PageCursor(order: order, position: 10, key: key), of: .uuid) == fits)
        #expect(request.start.position == (fits ? 10 : 0))
    }

    @Test(
        "take a key of numbers alone that can be there",
        arguments: [
            ("0", .number, true), ("9223372036854775807", .number, true), ("-1", .number, false),
            ("-9223372036854775808", .number, false), ("9223372036854775808", .number, false),
            ("-1", .kind, true), ("32767", .kind, true), ("-2", .kind, false), ("32768", .kind, false),
            ("0", .time, true), ("-1", .time, false), ("9223372036854775807", .time, false), (nil, .number, false),
        ] as [(String?, PageCursor.KeyPart, Bool)])
    func numbers(text: String?, part: PageCursor.KeyPart, fits: Bool) {
        let cursor = PageCursor(order: "o", position: 0, key: [text])
        #expect((cursor.numbers([part]) != nil) == fits)
        #expect(cursor.numbers([part, part]) == nil)
    }

    struct Case: Sendable {
        /// Rows that came before the page, and those that follow.
        let before: Int64, rows: Int
        let counted: Int64?
        let total: Int64, isCapped: Bool, goesOn: Bool
    }

    @Test(
        "say how many there are, as far as that can be said: counting is bounded, and left out where the page shows it",
        arguments: [
            Case(before: 0, rows: 0, counted: nil, total: 0, isCapped: false, goesOn: false),
            Case(before: 0, rows: 3, counted: nil, total: 3, isCapped: false, goesOn: false),
            Case(before: 0, rows: 10, counted: nil, total: 10, isCapped: false, goesOn: false),
            Case(before: 0, rows: 11, counted: 10_000, total: 10_000, isCapped: false, goesOn: true),
            Case(before: 0, rows: 11, counted: 10_001, total: 10_000, isCapped: true, goesOn: true),
            Case(before: 20, rows: 0, counted: 12, total: 12, isCapped: false, goesOn: false),
            Case(before: 30_000, rows: 0, counted: 10_001, total: 10_000, isCapped: true, goesOn: false),
            Case(before: 9_995, rows: 11, counted: nil, total: 10_006, isCapped: true, goesOn: true),
            Case(before: 9_990, rows: 11, counted: nil, total: 10_001, isCapped: true, goesOn: true),
            Case(before: 20_000, rows: 11, counted: nil, total: 20_011, isCapped: true, goesOn: true),
            Case(before: 20_000, rows: 4, counted: nil, total: 20_004, isCapped: false, goesOn: false),
        ])
    func totals(_ given: Case) {
        var asked: Int64?
        let rows = (0..<given.rows).map { (item: $0, key: [String($0)] as [String?]) }
        let page = Page(rows, from: PageStart(offset: given.before), limit: 10, order: "o") { most in
            asked = most
            return given.counted ?? 0
        }
        #expect(page.total == given.total)
        #expect(page.isCapped == given.isCapped)
        #expect((asked != nil) == (given.counted != nil))
        #expect(asked ?? 10_001 == 10_001)
        #expect(page.items == Array(0..<min(10, given.rows)))
        #expect((page.next != nil) == given.goesOn)
        if let next = page.next {
            #expect(next == PageCursor(order: "o", position: given.before + 10, key: ["9"]))
        }
    }
}

extension UInt8 {
    fileprivate var isLetterOrDigit: Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self)
            || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self | 0x20)
    }
}
