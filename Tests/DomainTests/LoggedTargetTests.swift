import Domain
import Testing

@Suite("Path and query, as the log keeps them")
struct LoggedTargetTests {
    @Test(
        "have what was filled in, and nothing that a query's values are otherwise",
        arguments: [
            ("/a/{payload.n}?key=K", [], "/a/7?key=***"),
            ("/a?key=K&n={payload.n}&z", [], "/a?key=***&n=7&***"),
            ("/a?K&n=K{payload.n}K", [], "/a?***&n=***7***"),
            ("/a?{payload.n}=K&{payload.n}", [], "/a?7=***&7"),
            ("?n={payload.n}&a=K=K?K", [], "/?n=7&a=***"),
            ("/a/{payload.n}", [("key", "K"), ("n", "{payload.n}")], "/a/7?key=***&n=7"),
            ("/a", [("key", "K{payload.n}&K"), ("empty", "")], "/a?key=***7***&empty="),
            ("/a?key=K", [("n", "{payload.n}")], "/a?key=***&n=7"),
            // The same for every message: the webhook's url says it.
            ("/a?key=K", [("key", "K")], nil),
        ] as [(String, [(String, String)], String?)])
    func hidden(target: String, query: [(String, String)], logged: String?) throws {
        var options = WebhookOptions()
        options.request.query = query.map { RequestSpec.Row(key: $0, value: $1) }
        let plan = try RequestPlan(url: WebhookURL("https://example.com\(target)"), headers: [], options: options)
        let message = Message(
            id: MessageID(rawValue: 0), thing: Message.noThing, group: Message.noThing, subtopic: "", contentType: "",
            payload: Array(#"{"n":7}"#.utf8), traceparent: nil, isKept: false, receivedNanoseconds: nil)
        let request = try plan.render(message, org: nil, facts: .unknown)
        #expect(request.loggedTarget.map { String(decoding: $0, as: UTF8.self) } == logged)
        #expect(String(decoding: request.target, as: UTF8.self).contains("***") == false)
    }
}
