import Domain
import Testing

@Suite("What an answer must say")
struct SuccessRuleTests {
    private static func error(_ rule: SuccessRule, _ body: String, status: Int = 200) -> String? {
        Self.error(rule, Array(body.utf8), status: status)
    }

    private static func error(_ rule: SuccessRule, _ body: [UInt8], status: Int = 200) -> String? {
        var policy = DeliveryPolicy()
        policy.success = rule
        switch policy.meaning(ofStatus: status, body) {
        case .taken: return nil
        case .refused: return "status"
        case .denied(let denial): return denial.error
        }
    }

    @Test(
        "stands at a path, compared as conditions compare",
        arguments: [
            (#"{"ok":true}"#, nil), (#"{"ok":false}"#, "is false"), (#"{"ok":"true"}"#, #"is "true""#),
            (#"{}"#, "is not there"),
            (#"[]"#, "is not there"), ("", "there is no body"), ("<p>", "the body is not JSON: <p>"),
            (#"{"ok":true"#, #"the body is not JSON: {"ok":true"#), ("\u{FEFF}{\"ok\":true}", nil),
        ])
    func path(body: String, found: String?) {
        let error = Self.error(SuccessRule(path: "ok", equals: "true"), body)
        #expect(error == found.map { "the answer says no: ok must be true, and \($0)" })
    }

    @Test("is a number by its value, an object by its members, and a text by its pattern")
    func values() {
        #expect(Self.error(SuccessRule(path: "a[1].n", equals: "1.50"), #"{"a":[0,{"n":1.5}]}"#) == nil)
        #expect(Self.error(SuccessRule(path: "a", equals: #"{"x":1,"y":2}"#), #"{"a":{"y":2.0,"x":1}}"#) == nil)
        #expect(Self.error(SuccessRule(path: "a", equals: #""1""#), #"{"a":"1"}"#) == nil)
        #expect(Self.error(SuccessRule(path: "a", equals: #""1""#), #"{"a":1}"#) != nil, "a number is no text")
        #expect(Self.error(SuccessRule(path: "a", matches: "ok*"), #"{"a":"ok\u0021"}"#) == nil)
        #expect(Self.error(SuccessRule(path: "a", matches: "2??"), #"{"a":204}"#) == nil)
        #expect(
            Self.error(SuccessRule(path: "a", matches: "2??"), #"{"a":404}"#)
                == "the answer says no: a must match 2??, and is 404")
    }

    @Test(
        "is the whole text where there is no path",
        arguments: [
            (SuccessRule(matches: "[1-9]*"), " 17\n", true), (SuccessRule(matches: "[1-9]*"), "0", false),
            (SuccessRule(equals: "1"), "1.0\r\n", true), (SuccessRule(equals: #""OK""#), "OK", true),
            (SuccessRule(equals: #""OK""#), #""OK""#, true), (SuccessRule(equals: #""OK""#), "ok", false),
            (SuccessRule(equals: #"{"a":1}"#), #"{ "a" : 1 }"#, true), (SuccessRule(matches: "*"), "  ", false),
        ])
    func whole(rule: SuccessRule, body: String, isMet: Bool) {
        #expect((Self.error(rule, body) == nil) == isMet)
    }

    @Test("tells what it found in a line, and not to everybody")
    func bounded() {
        let rule = SuccessRule(matches: "ok")
        let long = Self.error(rule, "a\u{0}b\n\(String(repeating: "c", count: 5_000))") ?? ""
        #expect(
            long.unicodeScalars.count < 300
                && long.hasPrefix("the answer says no: the body must match ok, and is a b cc"))
        #expect(Self.error(rule, [0xFF, 0xFE])?.hasSuffix("is no text") == true)
        #expect(AnswerMeaning.Denial.shown(long, to: .viewer) == "the answer says no")
        #expect(AnswerMeaning.Denial.shown(long, to: .editor) == long)
        #expect(AnswerMeaning.Denial.shown("status 500", to: .viewer) == "status 500")
    }

    @Test("is looked for in what could not be unpacked too, and if it is not there that is what is told")
    func packed() {
        var policy = DeliveryPolicy()
        policy.success = SuccessRule(path: "ok", equals: "true")
        // As some say of what is not packed.
        #expect(policy.meaning(ofStatus: 200, Array(#"{"ok":true}"#.utf8), fault: .packed("gzip")) == .taken)
        guard case .denied(let denial) = policy.meaning(ofStatus: 200, [0x0B, 0x02, 0x80], fault: .packed("br")) else {
            Issue.record("it was taken")
            return
        }
        #expect(
            denial.error
                == "the answer says no: ok must be true, and the body cannot be read: it is sent with content-encoding br, "
                + "which was not asked for")
        #expect(denial.reason == "the answer says no: ok must be true")
        let no = Array(#"{"ok":false}"#.utf8)
        guard case .denied(let read) = policy.meaning(ofStatus: 200, no, fault: .packed("gzip")) else {
            Issue.record("it was taken")
            return
        }
        #expect(read.error.hasSuffix("is false"), "it was read, whatever is said of it")
        guard case .denied(let cut) = policy.meaning(ofStatus: 200, Array(#"{"ok":"#.utf8), fault: .brokeOff) else {
            Issue.record("it was taken")
            return
        }
        #expect(cut.error.hasSuffix(#"the body is not JSON: {"ok":; but the answer broke off before its end"#))
    }

    @Test("is looked for in the first 64 KiB, and only where the status says yes")
    func limits() {
        let rule = SuccessRule(path: "ok", equals: "true")
        let long = #"{"ok":true,"x":""# + String(repeating: "x", count: 70_000) + #""}"#
        #expect(Self.error(rule, long)?.contains("the body is not JSON") == true)
        #expect(Self.error(rule, "", status: 500) == "status")
        var policy = DeliveryPolicy()
        #expect(policy.judgedBody == nil && policy.meaning(ofStatus: 200, []) == .taken)
        policy.success = rule
        policy.successStatuses = [200, 302]
        #expect(policy.judgedBody == 65_536 && policy.meaning(ofStatus: 302, []) == .taken)
        #expect(policy.meaning(ofStatus: 200, []) != .taken)
    }

    @Test(
        "is refused by the field that is wrong",
        arguments: [
            (#"{}"#, "success"), (#"{"path":"a"}"#, "success"), (#"{"equals":1,"matches":"a"}"#, "success"),
            (#"{"path":"a..b","equals":1}"#, "success.path"), (#"{"matches":"[a"}"#, "success.matches"),
            (#"{"matches":1}"#, "success.matches"), (#"1"#, "success"),
        ])
    func refused(json: String, field: String) throws {
        let object = try JSONObject(JSONValue(reading: Array(#"{"success":\#(json)}"#.utf8)), at: "")
        let error = #expect(throws: InvalidField.self) {
            var policy = DeliveryPolicy()
            try policy.change(by: object)
            try policy.check()
        }
        #expect(error?.field == field)
    }
}
