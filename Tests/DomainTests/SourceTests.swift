import Domain
import Testing
import Values

@Suite("Signatures of outside systems")
struct SignatureSchemeTests {
    private static let now: Int64 = 1_531_420_618

    private func verifies(
        _ scheme: SignatureScheme, _ headers: [String: String], _ body: String, _ secret: String, now: Int64 = now
    ) -> Bool {
        scheme.verifies(SignedRequest(headers: headers, body: Array(body.utf8)), secret: secret, now: now)
    }

    @Test("GitHub's published one verifies, and nothing near it does")
    func github() {
        // https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
        let (scheme, secret) = (SignatureScheme(vendor: .github), "It's a Secret to Everybody")
        let code = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        let good = ["x-hub-signature-256": "sha256=\(code)"]
        #expect(self.verifies(scheme, good, "Hello, World!", secret))
        #expect(self.verifies(scheme, ["x-hub-signature-256": "sha256=\(code.uppercased())"], "Hello, World!", secret))
        #expect(!self.verifies(scheme, good, "Hello, World", secret))
        #expect(!self.verifies(scheme, good, "Hello, World!", secret + "?"))
        for header in [
            "", code, "sha1=\(code)", "sha256=", "sha256=\(code.dropLast(2))", "sha256=\(code)00", "sha256=zz",
        ] {
            #expect(!self.verifies(scheme, ["x-hub-signature-256": header], "Hello, World!", secret), "\(header)")
        }
        #expect(!self.verifies(scheme, [:], "Hello, World!", secret))
    }

    @Test("Slack's published one verifies while it is fresh")
    func slack() {
        // https://docs.slack.dev/authentication/verifying-requests-from-slack
        let (scheme, secret) = (SignatureScheme(vendor: .slack), "8f742231b10e8888abcd99yyyzzz85a5")
        let body =
            "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
        let headers = [
            "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
            "x-slack-request-timestamp": "1531420618",
        ]
        #expect(self.verifies(scheme, headers, body, secret))
        #expect(self.verifies(scheme, headers, body, secret, now: Self.now + 300))
        #expect(!self.verifies(scheme, headers, body, secret, now: Self.now + 301))
        #expect(!self.verifies(scheme, headers, body, secret, now: Self.now - 301))
        #expect(!self.verifies(scheme, headers.filter { $0.key == "x-slack-signature" }, body, secret))
        let challenge = SignedRequest(headers: [:], body: Array(#"{"type":"url_verification","challenge":"c"}"#.utf8))
        #expect(scheme.challenge(in: challenge) == "c")
        #expect(SignatureScheme(vendor: .github).challenge(in: challenge) == nil)
    }

    @Test("Standard Webhooks' published one verifies, one of several being enough")
    func standard() {
        let (scheme, secret) = (SignatureScheme(vendor: .standard), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        let body = #"{"test": 2432232314}"#
        let good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        func headers(_ signature: String, id: String = "msg_p5jXN8AQM9LWM0D4loKWxJek") -> [String: String] {
            ["webhook-id": id, "webhook-timestamp": "1614265330", "webhook-signature": signature]
        }
        #expect(self.verifies(scheme, headers(good), body, secret, now: 1_614_265_330))
        #expect(self.verifies(scheme, headers("v1,AAAA v2,x \(good)"), body, secret, now: 1_614_265_330))
        #expect(!self.verifies(scheme, headers("v2,\(good.dropFirst(3))"), body, secret, now: 1_614_265_330))
        #expect(!self.verifies(scheme, headers(good, id: "msg_other"), body, secret, now: 1_614_265_330))
        #expect(!self.verifies(scheme, headers(good), body, secret, now: 1_614_266_330))
    }

    @Test("with a time are known again by what was signed, for as long as they are good, and by nothing else")
    func replay() {
        func replay(
            _ vendor: SignatureScheme.Vendor, _ headers: [String: String], _ body: String = "{}", time: String? = nil
        ) -> SignedReplay? {
            var scheme = SignatureScheme(vendor: vendor)
            (scheme.header, scheme.timestampHeader) = ("X-Mine", time)
            return scheme.replay(of: SignedRequest(headers: headers, body: Array(body.utf8)))
        }
        let first = replay(.custom, ["x-when": "7", "x-mine": "ab", "idempotency-key": "1"], time: "X-When")
        #expect(first?.seconds == 601)
        #expect(first == replay(.custom, ["x-when": "7", "x-mine": "AB", "idempotency-key": "2"], time: "X-When"))
        #expect(first != replay(.custom, ["x-when": "8", "x-mine": "ab"], time: "X-When"))
        #expect(first != replay(.custom, ["x-when": "7", "x-mine": "ab"], "{} ", time: "X-When"))
        for vendor in [SignatureScheme.Vendor.standard, .stripe, .slack] { #expect(replay(vendor, [:]) != nil) }
        for vendor in [SignatureScheme.Vendor.github, .shopify, .custom] { #expect(replay(vendor, [:]) == nil) }
    }

    @Test("without the time that they should have are good at none, whatever is signed")
    func withoutTime() {
        var scheme = SignatureScheme(vendor: .custom)
        scheme.header = "X-Mine"
        let code = "0e0607c634942569b144e991806df0edbff0695d1f4e4549bc298252b4fc4d6d"
        #expect(self.verifies(scheme, ["x-mine": code], ".{}", "secret"))
        scheme.timestampHeader = "X-When"
        // What is signed is the same, and it has no time.
        #expect(!self.verifies(scheme, ["x-mine": code], "{}", "secret"))
    }

    @Test("know the events' ids")
    func ids() {
        func id(_ vendor: SignatureScheme.Vendor, _ headers: [String: String], _ body: String) -> String? {
            SignatureScheme(vendor: vendor).eventID(of: SignedRequest(headers: headers, body: Array(body.utf8)))
        }
        #expect(id(.github, ["x-github-delivery": "d"], "{}") == "d")
        #expect(id(.stripe, [:], #"{"id":"evt_1"}"#) == "evt_1")
        #expect(id(.slack, [:], #"{"event_id":"Ev1"}"#) == "Ev1")
        #expect(id(.shopify, ["x-shopify-event-id": "s"], "{}") == "s")
        #expect(id(.standard, ["webhook-id": String(repeating: "x", count: 256)], "{}") == nil)
    }

    @Test(
        "secrets are compared as a whole",
        arguments: [
            ([1, 2], [1, 2], true), ([1, 2], [1, 3], false), ([], [], true),
            ([1], [1, 2], false), ([], [0], false), ([0], [], false), ([1], [], false),
        ] as [([UInt8], [UInt8], Bool)])
    func constantTime(a: [UInt8], b: [UInt8], isSame: Bool) {
        #expect(constantTimeEqual(a, b) == isSame)
    }
}

@Suite("JSON Schema")
struct JSONSchemaTests {
    private func schema(_ text: String) throws -> JSONSchema {
        try JSONSchema(try #require(RawJSON(Array(text.utf8))))
    }

    private static let order = #"""
        {"type":"object","required":["id","lines"],"additionalProperties":false,"properties":{
          "id":{"type":"integer","minimum":1},"state":{"enum":["new","done"]},"note":{"type":["string","null"],"maxLength":3},
          "lines":{"type":"array","minItems":1,"items":{"type":"object","required":["sku"],"properties":{
            "sku":{"type":"string","minLength":2},"n":{"type":"number","exclusiveMinimum":0,"maximum":10}}}}}}
        """#

    @Test(
        "tells what is wrong, and where",
        arguments: [
            (#"{"id":1,"lines":[{"sku":"ab","n":0.5}],"state":"new","note":null}"#, nil),
            ("[]", "payload must be object"), (#"{"lines":[]}"#, "payload.id is required"),
            (#"{"id":1.5,"lines":[{"sku":"ab"}]}"#, "payload.id must be integer"),
            (#"{"id":0,"lines":[{"sku":"ab"}]}"#, "payload.id must be at least 1"),
            (#"{"id":1,"lines":[]}"#, "payload.lines must have at least 1 elements"),
            (#"{"id":1,"lines":[{"sku":"ab"},{"sku":"a"}]}"#, "payload.lines[1].sku must have at least 2 characters"),
            (#"{"id":1,"lines":[{"sku":"ab","n":0}]}"#, "payload.lines[0].n must be more than 0"),
            (#"{"id":1,"lines":[{"sku":"ab","n":11}]}"#, "payload.lines[0].n must be at most 10"),
            (#"{"id":1,"lines":[{}]}"#, "payload.lines[0].sku is required"),
            (#"{"id":1,"lines":[{"sku":"ab"}],"x":1}"#, "payload.x is not allowed"),
            (#"{"id":1,"lines":[{"sku":"ab"}],"state":"old"}"#, "payload.state is none of the values allowed"),
            (#"{"id":1,"lines":[{"sku":"ab"}],"note":"long"}"#, "payload.note must have at most 3 characters"),
            (#"{"id":1,"lines":[{"sku":"ab"}],"note":1}"#, "payload.note must be string or null"),
            // Of several of one name the last counts.
            (#"{"id":"x","lines":[{"sku":"ab"}],"id":1}"#, nil),
            (#"{"id":1,"lines":[{"sku":"ab"}],"id":"x"}"#, "payload.id must be integer"),
        ] as [(String, String?)])
    func faults(value: String, fault: String?) throws {
        #expect(try self.schema(Self.order).fault(in: try #require(RawJSON(Array(value.utf8)))) == fault)
    }

    @Test(
        "is refused with the keyword at fault",
        arguments: [
            ("[]", "schema"), (#"{"type":"date"}"#, "schema.type"), (#"{"oneOf":[]}"#, "schema.oneOf"),
            (#"{"properties":{"a":{"pattern":"x"}}}"#, "schema.properties.a.pattern"),
            (#"{"minimum":"1"}"#, "schema.minimum"), (#"{"items":[]}"#, "schema.items"),
            (#"{"enum":1}"#, "schema.enum"), (#"{"enum":[]}"#, "schema.enum"),
            (#"{"type":"strng"}"#, "schema.type"), (#"{"type":[]}"#, "schema.type"), (#"{"type":1}"#, "schema.type"),
            (#"{"type":["string",1]}"#, "schema.type[1]"), (#"{"type":["strng"]}"#, "schema.type[0]"),
            (#"{"required":"a"}"#, "schema.required"), (#"{"required":["a",1]}"#, "schema.required[1]"),
            (#"{"properties":[]}"#, "schema.properties"), (#"{"properties":{"a":1}}"#, "schema.properties.a"),
            (#"{"additionalProperties":1}"#, "schema.additionalProperties"),
            (#"{"additionalProperties":{"minLength":-1}}"#, "schema.additionalProperties.minLength"),
            (#"{"minLength":-1}"#, "schema.minLength"), (#"{"maxLength":1.5}"#, "schema.maxLength"),
            (#"{"minItems":"1"}"#, "schema.minItems"), (#"{"maxItems":null}"#, "schema.maxItems"),
            (#"{"properties":{"a":{"items":{"minItems":-1}}}}"#, "schema.properties.a.items.minItems"),
            (#"{"maximum":"1"}"#, "schema.maximum"), (#"{"exclusiveMinimum":true}"#, "schema.exclusiveMinimum"),
            (#"{"multipleOf":0}"#, "schema.multipleOf"), (#"{"maxProperties":-1}"#, "schema.maxProperties"),
            (#"{"title":1}"#, "schema.title"), (#"{"format":{}}"#, "schema.format"),
            (#"{"examples":{}}"#, "schema.examples"),
        ])
    func refused(text: String, field: String) {
        let error = #expect(throws: InvalidField.self) { try self.schema(text) }
        #expect(error?.field == field)
        #expect(error?.reason.isEmpty == false)
    }

    @Test(
        "takes every keyword in every form that it has",
        arguments: [
            "{}",
            #"{"type":["string","null"],"minLength":0,"maxLength":2.0,"format":"date","title":"t","description":"d"}"#,
            #"{"$schema":"https://json-schema.org/draft/2020-12/schema","default":{"a":1},"examples":[1]}"#,
            #"{"minItems":1e0,"maxItems":10,"items":{},"required":[],"properties":{}}"#,
            #"{"additionalProperties":true,"enum":[null],"const":null,"minimum":-1.5,"exclusiveMaximum":1e3}"#,
            #"{"additionalProperties":{"type":"number"},"required":["\ud800",""]}"#,
        ])
    func taken(text: String) throws {
        _ = try self.schema(text)
    }

    @Test("that was taken before goes on as it did, until it is changed")
    func stored() throws {
        var settings = SourceSettings()
        settings.schema = #"{"type":["object",1],"required":[1,"a"],"properties":{"a":{"minLength":-1}},"title":2}"#
        for (body, verdict) in [
            (#"{"a":"x"}"#, .accepted(subtopic: "", eventID: nil)), ("{}", .invalid("payload.a is required")),
        ] as [(String, SourceGate.Verdict)] {
            let request = SignedRequest(headers: [:], body: Array(body.utf8))
            let thing = EntityID(high: 1, low: 2)
            let message = Message(
                id: MessageID(rawValue: 1), thing: thing, group: thing, subtopic: "", contentType: "",
                payload: request.body, traceparent: nil, isKept: false, receivedNanoseconds: nil)
            #expect(SourceGate(settings).judge(request, as: message) == verdict, "\(body)")
        }
        var renamed = settings
        renamed.repetitionWindow = 1
        try renamed.check(changing: settings)
        #expect(throws: InvalidField.self) { try renamed.check() }
        renamed.schema = #"{"required":[1]}"#
        #expect(throws: InvalidField("schema.required[0]", "must be a string: the name of a property")) {
            try renamed.check(changing: settings)
        }
    }

    @Test(
        "is inferred so that the sample fits it, whatever it looks like",
        arguments: [
            // A member twice, half of a surrogate pair in a name, and one level more than schemas may have.
            #"{"a":1,"a":"x"}"#, #"{"\ud800":1,"\udc00x":"y"}"#,
            String(repeating: #"{"a":"#, count: 40) + "1" + String(repeating: "}", count: 40),
            String(repeating: "[", count: 64) + String(repeating: "]", count: 64),
        ])
    func inferred(text: String) throws {
        let sample = try #require(RawJSON(Array(text.utf8)))
        #expect(try self.schema(JSONSchema.inferred(from: sample)).fault(in: sample) == nil)
    }

    @Test("is inferred so that the sample fits it, and another kind of value does not")
    func inferred() throws {
        let sample = try #require(RawJSON(Array(#"{"a":[{"b":1.5}],"c":"x","d":null,"e":{"f \"g\"":true}}"#.utf8)))
        let schema = try self.schema(JSONSchema.inferred(from: sample))
        #expect(schema.fault(in: sample) == nil)
        let other = try #require(RawJSON(Array(#"{"a":[{"b":"1.5"}],"c":"x","d":null,"e":{"f \"g\"":true}}"#.utf8)))
        #expect(schema.fault(in: other) == "payload.a[0].b must be number")
    }
}

@Suite("Settings of sources")
struct SourceSettingsTests {
    @Test("find an event's id in its body, or else in a header; a null is none")
    func ids() {
        var settings = SourceSettings()
        settings.eventIDPath = "data.id"
        let thing = EntityID(high: 1, low: 2)
        for (body, header, id) in [
            (#"{"data":{"id":"a"}}"#, "h", "a"), (#"{"data":{"id":7}}"#, "h", "7"), (#"{"data":{}}"#, "h", "h"),
            (#"{"data":{"id":null}}"#, "h", "h"), (#"{"data":{"id":null}}"#, nil, nil),
            (#"{"data":{"id":""}}"#, nil, nil),
        ] as [(String, String?, String?)] {
            let request = SignedRequest(
                headers: header.map { ["idempotency-key": $0] } ?? [:], body: Array(body.utf8))
            let message = Message(
                id: MessageID(rawValue: 1), thing: thing, group: thing, subtopic: "", contentType: "",
                payload: request.body, traceparent: nil, isKept: false, receivedNanoseconds: nil)
            #expect(
                SourceGate(settings).judge(request, as: message) == .accepted(subtopic: "", eventID: id), "\(body)")
        }
    }

    @Test("fill in a subtopic from payload and url, and say what is missing")
    func subtopics() throws {
        let query = ["event": "up", "e-1.x": "a/b", "wild": "#"]
        let cases: [(String, SourceGate.Verdict)] = [
            ("{query.event}", .accepted(subtopic: "up", eventID: nil)),
            ("s/{query.event}/{payload.kind}", .accepted(subtopic: "s/up/order", eventID: nil)),
            ("{payload.kind}{query.e-1.x}{query.event}", .accepted(subtopic: "ordera/bup", eventID: nil)),
            ("{{query.event}", .accepted(subtopic: "{query.event}", eventID: nil)),
            ("{{{query.event}", .accepted(subtopic: "{up", eventID: nil)),
            ("{query.none}", .invalid("no subtopic can be made: the url has no none")),
            ("{query.wild}", .invalid("the subtopic made of the event cannot be published on: #")),
        ]
        let thing = EntityID(high: 1, low: 2)
        let request = SignedRequest(headers: [:], body: Array(#"{"kind":"order"}"#.utf8), query: query)
        let message = Message(
            id: MessageID(rawValue: 1), thing: thing, group: thing, subtopic: "", contentType: "",
            payload: request.body, traceparent: nil, isKept: false, receivedNanoseconds: nil)
        for (text, verdict) in cases {
            var settings = SourceSettings()
            settings.subtopic = text
            #expect(SourceGate(settings).judge(request, as: message) == verdict, "\(text)")
        }
        for text in [
            "{query.}", "{query.a b}", "{query.event", "{query.key}", "{query.ä}",
            "{query.\(String(repeating: "a", count: 65))}", "{thing_name}{query.event}",
        ] {
            var settings = SourceSettings()
            settings.subtopic = text
            let error = #expect(throws: InvalidField.self, "\(text)") { try settings.check() }
            #expect(error?.field == "subtopic")
            // One that another version took is not published somewhere else.
            #expect(
                SourceGate(settings).judge(request, as: message)
                    == .invalid("the source cannot be used as it is: \(try #require(error))"))
        }
    }

    @Test("take no subtopic that filters are made of, whatever is joined to it", arguments: ["a/+", "#", "a/+\u{301}"])
    func subtopic(text: String) {
        var settings = SourceSettings()
        settings.subtopic = text
        #expect(throws: InvalidField.self) { try settings.check() }
    }
}
