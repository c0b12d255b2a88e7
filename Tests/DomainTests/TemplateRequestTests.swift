import Domain
import TestSupport
import Testing

@Suite("Requests from templates")
struct RequestPlanTests {
    private func plan(
        _ url: String, headers: [Header] = [], _ change: (inout WebhookOptions) -> Void = { _ in }
    ) throws -> RequestPlan {
        var options = WebhookOptions()
        change(&options)
        return try RequestPlan(url: try WebhookURL(url), headers: headers, options: options)
    }

    @Test("have query, form and headers put together")
    func parts() throws {
        let plan = try self.plan(
            "https://h/a/{payload.id}?x=1", headers: [Header(name: "X-T", value: "t={payload.t}")]
        ) {
            $0.request.method = .put
            $0.request.query = [.init(key: "q r", value: "{payload.t}&"), .init(key: "e", value: "")]
            $0.request.contentType = .form
            $0.request.body = .form([.init(key: "temp", value: "{payload.t}"), .init(key: "s", value: "a b")])
        }
        let request = try plan.render(message(#"{"id":"a/b","t":21.70}"#), org: nil, facts: .unknown)
        #expect(request.method == "PUT")
        #expect(String(decoding: request.target, as: UTF8.self) == "/a/a%2Fb?x=1&q%20r=21.70%26&e=")
        #expect(request.headers.map { "\($0.name)=\(String(decoding: $0.value, as: UTF8.self))" } == ["X-T=t=21.70"])
        #expect(request.contentType == "application/x-www-form-urlencoded")
        #expect(request.body.map { String(decoding: $0, as: UTF8.self) } == "temp=21.70&s=a%20b")
    }

    @Test(
        "have the query behind what the url has of one",
        arguments: [
            ("", "/?q=1"), ("/a", "/a?q=1"), ("/a?", "/a?q=1"), ("/a?x=1", "/a?x=1&q=1"), ("/a?x=1&", "/a?x=1&q=1"),
            ("/a?x=1?", "/a?x=1?&q=1"), ("/a&", "/a&?q=1"), ("?", "/?q=1"),
        ])
    func query(path: String, target: String) throws {
        let request = try self.plan("https://h\(path)") { $0.request.query = [.init(key: "q", value: "1")] }
            .render(message("{}"), org: nil, facts: .unknown)
        #expect(String(decoding: request.target, as: UTF8.self) == target)
    }

    @Test("say the version that sends, as far as a receiver may go by it")
    func agent() {
        let parts = Release.version.split(separator: ".")
        #expect(WebhookTarget.userAgent == "Hookline/\(parts[0]).\(parts[1]) (+webhooks)")
    }

    @Test("without a body have none, nor a type for it")
    func bodiless() throws {
        for method in [RequestSpec.Method.get, .delete] {
            let request = try self.plan("https://h/") { $0.request.method = method }
                .render(message("{}"), org: nil, facts: .unknown)
            #expect(request.body == nil && request.contentType == nil)
        }
    }

    @Test("do not lead elsewhere, whatever a device sends", arguments: ["..", ".", "%2e%2e", "../..", "x/../y"])
    func traversal(value: String) throws {
        let plan = try self.plan("https://h/a/{payload}/b")
        let leads = [".", ".."].contains(value)
        do throws(RenderFailure) {
            let request = try plan.render(message(value), org: nil, facts: .unknown)
            let target = String(decoding: request.target, as: UTF8.self)
            #expect(!leads && target.hasPrefix("/a/") && target.hasSuffix("/b"))
            #expect(target.split(separator: "/").count == 3, "\(target)")
        } catch {
            #expect(leads)
        }
        // What the owners wrote themselves is theirs.
        _ = try self.plan("https://h/a/../b").render(message("{}"), org: nil, facts: .unknown)
    }

    @Test("that grow too long are not made")
    func tooLong() throws {
        let plan = try self.plan("https://h/?x={payload}")
        #expect(throws: RenderFailure.self) {
            try plan.render(message(String(repeating: "x", count: 9_000)), org: nil, facts: .unknown)
        }
        let long = message("\"\(String(repeating: "x", count: 6_000))\"")
        func failure(_ headers: [Header] = [], _ change: (inout WebhookOptions) -> Void = { _ in }) throws -> String? {
            let plan = try self.plan("https://h/", headers: headers, change)
            do throws(RenderFailure) { _ = try plan.render(long, org: nil, facts: .unknown) } catch {
                return error.description
            }
            return nil
        }
        #expect(
            try failure([Header(name: "A", value: "{payload}{payload}")])
                == "render: the header A is over 8192 bytes once it is filled in")
        let six = (0..<6).map { Header(name: "A\($0)", value: "{payload}") }
        #expect(try failure(six) == "render: the headers are over 32768 bytes once they are filled in")
        #expect(try failure(Array(six.prefix(5))) == nil)
        let many = String(repeating: "{payload}", count: 1_000)
        let rows = (0..<3).map { _ in
            RequestSpec.Row(key: "a", value: String(repeating: "{payload}", count: 400))
        }
        let tooLarge = "render: the body is over 4194304 bytes once it is filled in"
        #expect(try failure { $0.request.body = .text(many) } == tooLarge)
        #expect(try failure { $0.request.body = .json("\"\(many)\"") } == tooLarge)
        #expect(try failure { $0.request.body = .form(rows) } == tooLarge)
        #expect(
            try failure { $0.request.query = [.init(key: "a", value: "{payload}{payload}")] }
                == "render: the url is over 8192 bytes once it is filled in")
    }

    @Test("say why none can be made of a payload that is not what a template needs")
    func unsuitable() throws {
        let latin = Message(
            id: MessageID(rawValue: 1), thing: Message.noThing, group: Message.noThing, subtopic: "",
            contentType: "a/b",
            payload: Array(#"{"u":""#.utf8) + [0xB0] + Array(#""}"#.utf8), traceparent: nil, isKept: false,
            receivedNanoseconds: nil)
        func body(_ message: Message, _ change: (inout WebhookOptions) -> Void) throws -> String {
            let plan = try self.plan("https://h/", change)
            do throws(RenderFailure) {
                let request = try plan.render(message, org: nil, facts: .unknown)
                return Base64.encode(request.body ?? [])
            } catch {
                return error.description
            }
        }
        let noJSON = "render: {payload.u} is of a payload that is JSON, which this one is not"
        #expect(try body(latin) { $0.request.body = .json(#"{"u":{payload.u}}"#) } == noJSON)
        #expect(try body(message("no json")) { $0.request.body = .text("{payload.u}") } == noJSON)
        for text in [#"{"all":{payload}}"#, #"{"all":"{payload}"}"#] {
            #expect(try body(latin) { $0.request.body = .json(text) }.hasPrefix("render: {payload} stands where text"))
        }
        #expect(
            try body(latin) {
                $0.request.body = .text("{payload}")
                $0.request.contentType = .text
            }.hasPrefix("render: {payload} stands where text"))
        let bytes = Base64.encode(latin.payload)
        #expect(
            try body(latin) { $0.request.body = .json("\"{payload_base64}\"") } == Base64.encode("\"\(bytes)\"".utf8))
        // Who leaves the type to the profile means the bytes.
        #expect(
            try body(latin) {
                $0.request.body = .text("{payload}")
                $0.request.contentType = .profile
            } == bytes)
        let half = message(#"{"s":"\ud800"}"#)
        #expect(try body(half) { $0.request.body = .text("{payload.s}") }.contains("half of a surrogate pair"))
    }

    @Test("of several messages are an array or lines, with an envelope unless there is a template")
    func batches() throws {
        let messages = [message(#"{"t":1.0}"#), message("text")]
        func body(_ batch: RenderedBatch) -> String? {
            batch.request?.body.map { String(decoding: $0, as: UTF8.self) }
        }
        let envelope = try self.plan("https://h/") { $0.batching = Batching(mostItems: 2, longestWait: 10) }
            .render(batch: messages, org: nil) { _ in .unknown }
        let id = "11111111-1111-4111-8111-111111111111"
        func item(_ payload: String) -> String {
            #"{"message_id":"4194304000","thing_id":"\#(id)","subtopic":"room/1","received_at":1704067201000,"payload":\#(payload)}"#
        }
        #expect(envelope.request?.contentType == "application/json")
        #expect(
            body(envelope)
                == "[\(item(#"{"t":1.0}"#)),\(item(#""text""#))]")
        let lines = try self.plan("https://h/") {
            $0.batching = Batching(mostItems: 2, longestWait: 10, form: .ndjson)
            $0.request.body = .json("{\n\"t\":{payload.t}}")
        }.render(batch: messages, org: nil) { _ in .unknown }
        #expect(lines.request?.contentType == "application/x-ndjson")
        #expect(body(lines) == "{\"t\":1.0}\n", "what no item can be made of keeps the others from nothing")
        #expect(lines.taken == 2 && lines.failures.map(\.index) == [1])
    }

    @Test("of several messages hold bytes that are no text in base64, and no more than a request may have")
    func binaryBatches() throws {
        let plan = try self.plan("https://h/") { $0.batching = Batching(mostItems: 10, longestWait: 10) }
        let bytes: [UInt8] = [0xB0, 0x00, 0xFF]
        let binary = Message(
            id: MessageID(rawValue: 1), thing: Message.noThing, group: Message.noThing, subtopic: "",
            contentType: "a/b",
            payload: bytes, traceparent: nil, isKept: false, receivedNanoseconds: nil)
        let mixed = try plan.render(batch: [message("1.0"), binary], org: nil) { _ in .unknown }
        let items = try #require(mixed.request?.body.flatMap { RawJSON($0) }).elements
        #expect(items.count == 2 && items[1].member("payload")?.kind == .null)
        #expect(items[1].member("payload_base64")?.string == Base64.encode(bytes))
        #expect(items[0].member("payload_base64") == nil)
        let large = message("\"\(String(repeating: "x", count: 1_500_000))\"")
        let cut = try plan.render(batch: [large, large, large], org: nil) { _ in .unknown }
        #expect(cut.taken == 2 && cut.failures.isEmpty)
        #expect(cut.request?.body.flatMap { RawJSON($0) }?.elements.count == 2)
        let huge = message("\"\(String(repeating: "x", count: 5_000_000))\"")
        let rest = try plan.render(batch: [huge, large], org: nil) { _ in .unknown }
        #expect(rest.taken == 2 && rest.failures.map(\.index) == [0])
    }

    @Test("are refused when they are saved, with the field at fault")
    func refused() throws {
        typealias Change = @Sendable (inout WebhookOptions) -> Void
        let cases: [(String, [Header], Change, String)] = [
            ("https://h/{nothing}", [], { _ in }, "url"),
            ("https://h/", [Header(name: "A", value: "{paylod}")], { _ in }, "headers.A"),
            ("https://h/", [], { $0.request.query = [.init(key: "", value: "")] }, "query[0].key"),
            (
                "https://h/", [], { $0.request.query = [.init(key: String(repeating: "k", count: 101), value: "")] },
                "query[0].key"
            ),
            ("https://h/", [], { $0.request.query = [.init(key: "k", value: "{x}")] }, "query[0].value"),
            ("https://h/", [], { $0.request.body = .json("{") }, "body"),
            ("https://h/", [], { $0.request.body = .json("{\"a\":x{payload}}") }, "body"),
            ("https://h/", [], { $0.request.body = .text("{vallue}") }, "body"),
            ("https://h/", [], { $0.request.body = .form([.init(key: "k", value: "{x}")]) }, "body[0].value"),
            (
                "https://h/", [],
                {
                    $0.request.method = .get
                    $0.request.body = .text("x")
                }, "body"
            ),
            ("https://h/{thing_id}", [], { $0.batching = Batching(mostItems: 2, longestWait: 1) }, "batch"),
            (
                "https://h/", [Header(name: "CE-Id", value: "x")], { $0.request.format = .cloudEvents },
                "headers.CE-Id"
            ),
        ]
        for (url, headers, change, field) in cases {
            let error = #expect(throws: InvalidField.self) { try self.plan(url, headers: headers, change) }
            #expect(error?.field == field, "\(error?.description ?? "")")
        }
        let refusal = #expect(throws: WebhookURL.Refusal.self) { try WebhookURL("https://{payload.h}.example.com/") }
        #expect(refusal?.reason == "must not have a placeholder in its host")
    }
}
