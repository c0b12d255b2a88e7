import Domain
import Testing
import Values

private func fields(_ text: String) throws -> JSONFields {
    guard case .object(let fields) = try JSONValue(reading: Array(text.utf8)) else {
        throw InvalidField("test", "is no object")
    }
    return fields
}

@Suite("What people ask of deliveries, logs and messages by commands")
struct RecordTests {
    @Test("is asked for by parameters that hold what was said, whatever that is")
    func parameters() {
        var query = RecordQuery()
        #expect(query.parameters(limit: 10) == "?limit=10")
        query.status = "ok,failed"
        query.from = Instant(milliseconds: 1)
        query.to = Instant(milliseconds: 2)
        query.text = "a&b=ü"
        #expect(
            query.parameters(limit: 200, behind: "x+y")
                == "?limit=200&from=1&to=2&status=ok%2Cfailed&text=a%26b%3D%C3%BC&cursor=x%2By")
    }

    @Test(
        "times are told as how long ago or as what they are",
        arguments: [
            ("15m", 999_100_000 as Int64), ("1970-01-12T13:46:40Z", 1_000_000_000), ("soon", nil), ("", nil),
        ])
    func times(text: String, milliseconds: Int64?) throws {
        let now = try #require(Instant(milliseconds: 1_000_000_000))
        #expect(RecordQuery.time(text, before: now)?.milliseconds == milliseconds)
    }

    @Test("a table has times as people read them, no column that says nothing, and no cell without end")
    func table() throws {
        let waiting = try fields(
            #"{"id":"msg_1_1","status":"WAITING","attempts":2,"received_at":0,"due_at":1500,"subtopic":"a\u001bb"}"#)
        #expect(
            RecordText.table([waiting], of: .deliveries) == """
                ID       STATUS   ATTEMPTS  RECEIVED_AT               DUE_AT                    SUBTOPIC
                msg_1_1  WAITING  2         1970-01-01T00:00:00.000Z  1970-01-01T00:00:01.500Z  a b
                """)
        let long = String(repeating: "x", count: RecordText.longestCell + 1)
        let messages = [
            try fields(#"{"id":"1","received_at":0,"subtopic":"","content_type":"t","payload":"\#(long)"}"#),
            try fields(#"{"id":"2","received_at":0,"subtopic":"","content_type":"t","payload_base64":"/w=="}"#),
        ]
        let table = RecordText.table(messages, of: .messages)
        #expect(table.contains("xx…") && !table.contains(long) && table.contains("/w=="))
        #expect(RecordText.table([], of: .log).hasPrefix("DATE  STATUS"))
    }

    @Test("one as a whole has its request and its attempts below")
    func whole() throws {
        let delivery = try fields(
            #"""
            {"id":"msg_1_1","received_at":0,"request":{"method":"POST","body":{"text":"{\"t\":1}"}},
            "attempts":[{"number":1,"date":1000,"status":"FAILED","response":503,"latency_ms":1.5,"items":1,"url":"u"}]}
            """#)
        #expect(
            RecordText.whole(delivery) == """
                id           msg_1_1
                received_at  1970-01-01T00:00:00.000Z

                body    {"t":1}
                method  POST

                NUMBER  DATE                      STATUS  RESPONSE  LATENCY_MS  ITEMS  ERROR
                1       1970-01-01T00:00:01.000Z  FAILED  503       1.5         1      -
                """)
        #expect(try RecordText.whole(fields(#"{"id":"1","attempts":[]}"#)) == "id  1")
    }

    @Test(
        "an entry of a log is one line, whatever stands in it",
        arguments: [
            (
                #"{"trigger_id":"msg_1_1","status":"OK","date":0,"thing_name":"Boiler","webhook_id":"w","response":204,"latency_ms":12.5,"attempt":1,"items":1}"#,
                "Pipeline",
                "1970-01-01T00:00:00.000Z  OK       Boiler -> Pipeline  204  12.5 ms  msg_1_1"
            ),
            (
                #"{"trigger_id":"msg_2_1","status":"FAILED","date":1,"thing_id":"t","webhook_id":"w","error":"refused\nby \u001b[31m","attempt":3,"items":5}"#,
                nil,
                "1970-01-01T00:00:00.001Z  FAILED   t -> w  attempt 3  5 messages  refused by  [31m  msg_2_1"
            ),
            ("{}", nil, "-  -        - -> -"),
        ])
    func line(entry: String, webhook: String?, line: String) throws {
        #expect(try RecordText.line(fields(entry), webhook: webhook) == line)
    }

    @Test("every filter goes with some kind, and every kind is named by a word of its own")
    func filters() {
        #expect(RecordKind.allCases.reduce(into: []) { $0.formUnion($1.filters) } == Set(RecordKind.Filter.allCases))
        for kind in RecordKind.allCases { #expect(ResourceKind(naming: kind.rawValue) == nil) }
    }
}

@Suite("Following a log")
struct LogFollowingTests {
    private static func entry(_ id: String, _ date: Int64, attempt: Int64 = 1, status: String = "OK") -> JSONFields {
        ["trigger_id": .string(id), "date": .integer(date), "attempt": .integer(attempt), "status": .string(status)]
    }

    private static func ids(_ entries: [JSONFields]) -> [String] {
        entries.compactMap { if case .string(let id)? = $0["trigger_id"] { id } else { nil } }
    }

    @Test("what is new is told once, the oldest first, and so is what comes late")
    func late() {
        var following = LogFollowing(from: 0, lookback: 100)
        let first = following.take([Self.entry("c", 300), Self.entry("b", 200), Self.entry("a", 100)])
        #expect(first && Self.ids(following.finish(isCut: false)) == ["a", "b", "c"])
        #expect(following.from == 200)
        // It began before c, and ended after the first look.
        let second = following.take([Self.entry("d", 310), Self.entry("c", 300), Self.entry("late", 250)])
        #expect(second && Self.ids(following.finish(isCut: false)) == ["late", "d"])
        let third = following.take([Self.entry("d", 310), Self.entry("c", 300), Self.entry("late", 250)])
        #expect(!third && following.finish(isCut: false).isEmpty)
    }

    @Test("attempts of one delivery are several, and of one time the order of the log is kept")
    func attempts() {
        var following = LogFollowing(from: 0)
        _ = following.take([
            Self.entry("b", 5), Self.entry("a", 5, attempt: 2), Self.entry("a", 5, status: "FAILED"),
        ])
        let told = following.finish(isCut: false)
        #expect(
            Self.ids(told) == ["a", "a", "b"] && told.map { $0["attempt"] } == [.integer(1), .integer(2), .integer(1)])
    }

    @Test("what was left out by a look that went not to the end is not told later")
    func cut() {
        var following = LogFollowing(from: 0, lookback: 1_000)
        _ = following.take([Self.entry("c", 300), Self.entry("b", 200)])
        #expect(Self.ids(following.finish(isCut: true)) == ["b", "c"] && following.from == 201)
        _ = following.take([Self.entry("c", 300), Self.entry("b", 200), Self.entry("a", 100)])
        #expect(following.finish(isCut: false).isEmpty)
    }

    @Test("a look that fails on its way is done again and loses nothing")
    func abandoned() {
        var following = LogFollowing(from: 0)
        _ = following.take([Self.entry("a", 1)])
        _ = following.finish(isCut: false)
        _ = following.take([Self.entry("c", 3), Self.entry("b", 2)])
        following.abandon()
        _ = following.take([Self.entry("c", 3), Self.entry("b", 2), Self.entry("a", 1)])
        #expect(Self.ids(following.finish(isCut: false)) == ["b", "c"])
    }

    @Test("what is remembered has a bound, and nothing is told twice for it")
    func bounded() {
        var following = LogFollowing(from: 0, lookback: 1_000_000, mostRemembered: 100)
        var told: [String] = []
        var log: [JSONFields] = []
        for number in 0..<1_000 {
            log.insert(Self.entry("\(number)", Int64(number)), at: 0)
            guard number % 40 == 39 else { continue }
            let from = following.from
            _ = following.take(log.filter { ($0["date"]?.wholeNumber ?? 0) >= from })
            told += Self.ids(following.finish(isCut: false))
            #expect(Int64(number) - following.from <= 100)
        }
        #expect(told == (0..<1_000).map(String.init))
    }

    @Test("looks do not go back further and further where what is followed is seldom")
    func advanced() {
        var following = LogFollowing(from: 0, lookback: 100)
        _ = following.take([Self.entry("a", 100)])
        _ = following.finish(isCut: false)
        following.advance(toNewest: 1_000)
        #expect(following.from == 900)
        following.advance(toNewest: 500)
        #expect(following.from == 900)
        let hasNew = following.take([Self.entry("c", 950), Self.entry("b", 899)])
        #expect(hasNew && Self.ids(following.finish(isCut: false)) == ["c"])
    }

    @Test("a first look has gone back far enough where no attempt that is under way could have begun")
    func lookedBack() {
        var following = LogFollowing(from: 0, lookback: 100)
        _ = following.take([Self.entry("b", 300), Self.entry("a", 200)])
        #expect(!following.hasLookedBack)
        _ = following.take([Self.entry("c", 199)])
        #expect(following.hasLookedBack)
    }
}
