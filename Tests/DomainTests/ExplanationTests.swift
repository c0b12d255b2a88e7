import Domain
import Testing
import Values

@Suite("Why a message arrives or does not")
struct ExplanationTests {
    private static let thing = EntityID("11111111-1111-4111-8111-111111111111")!
    private static let other = EntityID("22222222-2222-4222-8222-222222222222")!
    private static let group = EntityID("33333333-3333-4333-8333-333333333333")!

    private static func webhook(
        _ status: WebhookStatus = .enabled, _ trigger: Trigger = Trigger(), _ rules: [Conditions.Rule] = [],
        match: Conditions.Match = .all, policy: DeliveryPolicy = DeliveryPolicy()
    ) throws -> WebhookTarget {
        var options = WebhookOptions()
        options.trigger = trigger
        options.conditions = rules.isEmpty ? nil : Conditions(match: match, rules: rules)
        return WebhookTarget(
            key: WebhookKey(rawValue: 1), id: .random(), group: self.group, version: 1,
            url: try WebhookURL("http://example.com/"), headers: [], status: status, policy: policy, options: options)
    }

    private static func explain(
        _ webhook: WebhookTarget, profile: ProfileConfig = ProfileConfig(webhook: true), subtopic: String = "room/1",
        payload: String? = #"{"t":21.70}"#, remembered: [Int: String] = [:], standing: WebhookStanding = .init(),
        gate: GateStanding? = GateStanding()
    ) -> (would: Fate?, steps: [ExplainedStep]) {
        let scene = ThingScene(
            group: self.group, profile: profile, webhooks: [webhook],
            conditionPaths: PathSet(webhook.askedPaths ?? []))
        let message = ExplainedMessage(
            thing: self.thing, subtopic: subtopic, payload: payload.map { Array($0.utf8) },
            origin: payload == nil ? .missing : .given)
        let explanation = Explanation(of: message, in: scene, largestPayload: 100) { _ in remembered }
            .with([webhook.key: standing], gates: gate.map { [webhook.key: $0] } ?? [:])
        return (explanation.webhooks.first?.would, explanation.steps + (explanation.webhooks.first?.steps ?? []))
    }

    private static func blamed(_ steps: [ExplainedStep]) -> [ExplainedStep.Check] {
        steps.filter { !$0.isOK }.map(\.check)
    }

    @Test("is told by the first thing in its way")
    func fates() throws {
        let hot = Conditions.Rule(path: "t", operator: .gt, value: "30")
        let cold = Conditions.Rule(path: "t", operator: .lt, value: "30")
        let things = Trigger(things: [Self.other.description])
        let cases: [(WebhookTarget, Fate, [ExplainedStep.Check])] = [
            (try Self.webhook(), .send, []), (try Self.webhook(.disabled), .ignore, [.status]),
            (try Self.webhook(.disabledDueToErrors), .wait, [.status, .waiting]),
            (try Self.webhook(.enabled, Trigger(kind: .thingCreated)), .ignore, [.trigger]),
            (try Self.webhook(.enabled, Trigger(subtopics: ["room/+"])), .send, []),
            (try Self.webhook(.enabled, Trigger(subtopics: ["hall/+"])), .ignore, [.subtopics]),
            (try Self.webhook(.enabled, things), .ignore, [.things]),
            (try Self.webhook(.enabled, Trigger(things: [Self.thing.description])), .send, []),
            (try Self.webhook(.enabled, Trigger(), [hot]), .skip, [.conditions]),
            (try Self.webhook(.enabled, Trigger(), [cold]), .send, []),
            (try Self.webhook(.enabled, Trigger(), [hot, cold], match: .any), .send, []),
            (try Self.webhook(.enabled, Trigger(paths: ["u", "t"])), .send, []),
            (try Self.webhook(.enabled, Trigger(paths: ["u"])), .ignore, [.data]),
            (try Self.webhook(.enabled, Trigger(paths: ["u"]), [hot]), .ignore, [.data]),
            (try Self.webhook(.enabled, Trigger(kind: .logEvent)), .ignore, [.subtopics]),
            // What a filter does not let through is not asked its conditions.
            (try Self.webhook(.enabled, things, [hot]), .ignore, [.things]),
        ]
        for (webhook, would, checks) in cases {
            let found = Self.explain(webhook)
            #expect(found.would == would && Self.blamed(found.steps) == checks, "\(found)")
        }
        let silent = Self.explain(try Self.webhook(), profile: ProfileConfig(write: true, webhook: false))
        #expect(silent.would == .ignore && Self.blamed(silent.steps) == [.profileWebhook])
        let bad = Self.explain(try Self.webhook(), subtopic: "a\u{7}")
        #expect(bad.would == .ignore && Self.blamed(bad.steps) == [.topic])
        let large = Self.explain(try Self.webhook(), payload: String(repeating: "x", count: 101))
        #expect(large.would == .ignore && Self.blamed(large.steps) == [.payload])
        let event = try Self.webhook(.enabled, Trigger(kind: .logEvent, codes: ["a"], levels: [.critical]))
        for (subtopic, payload, would, checks) in [
            ("events/a", #"{"level":"critical"}"#, .send, []), ("events/a", "{}", .ignore, [.data]),
            ("events/b", #"{"level":"critical"}"#, .ignore, [.subtopics]),
            ("events/a", nil, .unknown, [.message, .data]),
        ] as [(String, String?, Fate, [ExplainedStep.Check])] {
            let found = Self.explain(event, subtopic: subtopic, payload: payload)
            #expect(found.would == would && Self.blamed(found.steps) == checks, "\(found)")
        }
        let missing = Self.explain(try Self.webhook(.enabled, Trigger(), [cold]), payload: nil)
        #expect(missing.would == .unknown && Self.blamed(missing.steps) == [.message, .conditions])
    }

    @Test("shows what each rule found, no more of it than a line, and what it compares with")
    func findings() throws {
        let webhook = try Self.webhook(
            .enabled, Trigger(),
            [
                .init(path: "t", operator: .changedBy, value: "1"), .init(path: "u", operator: .exists),
                .init(path: "long", operator: .eq, value: "1"),
            ])
        let scene = ThingScene(
            group: Self.group, profile: ProfileConfig(webhook: true), webhooks: [webhook],
            conditionPaths: PathSet(webhook.askedPaths ?? []))
        let payload = #"{"t":21.70,"long":"\#(String(repeating: "x", count: 5_000))"}"#
        let message = ExplainedMessage(
            thing: Self.thing, subtopic: "", payload: Array(payload.utf8), origin: .given)
        let explanation = Explanation(of: message, in: scene, largestPayload: 10_000) { _ in [0: "21.5"] }
        let findings = try #require(explanation.webhooks.first?.steps.last?.findings)
        #expect(findings.map(\.rule) == ["t changed_by 1", "u exists", "long eq 1"])
        #expect(findings.map(\.isMet) == [false, false, false])
        #expect(findings[0].found == "21.70" && findings[0].before == "21.5")
        #expect(findings[1].found == nil)
        #expect(findings[2].found?.utf8.count == 200)
    }

    @Test(
        "says by which of the ways in which a webhook chooses things the thing is left out",
        arguments: [
            (Trigger(labels: ["a"]), "trigger.labels"), (Trigger(externalIDs: ["x"]), "trigger.external_ids"),
            (Trigger(profiles: ["00000000-0000-4000-8000-000000000099"]), "trigger.profiles"),
        ])
    func chosen(trigger: Trigger, word: String) throws {
        let webhook = try Self.webhook(.enabled, trigger)
        let scene = ThingScene(
            group: Self.group, profile: ProfileConfig(webhook: true), webhooks: [webhook], conditionPaths: PathSet(),
            traits: ThingTraits(profile: Self.group))
        let message = ExplainedMessage(thing: Self.thing, subtopic: "", payload: Array("{}".utf8), origin: .given)
        let explanation = Explanation(of: message, in: scene, largestPayload: 100) { _ in [:] }
        let step = explanation.webhooks.first?.steps.last
        #expect(step?.check == .things && step?.fate == .ignore && step?.reason.contains(word) == true)
    }

    @Test("waits for what delivery waits for")
    func waits() throws {
        let at = try #require(Instant(seconds: 1_800_000_000))
        var strict = DeliveryPolicy()
        strict.ordering = .thing
        var slow = DeliveryPolicy()
        slow.rateLimit = RateLimit(perSecond: 1, burst: 1)
        var standing = WebhookStanding()
        standing.isThingWaiting = true
        let ordered = Self.explain(try Self.webhook(policy: strict), standing: standing)
        #expect(ordered.would == .wait && Self.blamed(ordered.steps) == [.order])
        let unordered = Self.explain(try Self.webhook(), standing: standing)
        #expect(unordered.would == .send)
        let limited = Self.explain(try Self.webhook(policy: slow), gate: GateStanding(rateFreeAt: at))
        #expect(limited.would == .wait && Self.blamed(limited.steps) == [.rate])
        for gate in [GateStanding(probeAt: at), GateStanding(pausedUntil: at)] {
            let found = Self.explain(try Self.webhook(), gate: gate)
            #expect(found.would == .wait && Self.blamed(found.steps) == [.breaker])
            #expect(found.steps.contains { $0.reason.contains(at.text) })
        }
        standing.consecutiveFailures = 7
        standing.lastFailure = .init(at: at, status: 503, error: nil)
        let failing = Self.explain(try Self.webhook(), standing: standing, gate: nil)
        #expect(failing.would == .wait && Self.blamed(failing.steps) == [.breaker, .lastError])
        #expect(failing.steps.last?.reason.contains("status 503") == true)
        // Whoever is asked about nothing that comes to it waits for nothing.
        #expect(Self.explain(try Self.webhook(.disabled), gate: GateStanding(probeAt: at)).would == .ignore)
    }

    @Test("says whether JSON can be made of a payload, and what becomes of it if not")
    func decoding() throws {
        let hot = try Self.webhook(.enabled, Trigger(), [.init(path: "t", operator: .gt, value: "30")])
        var profile = ProfileConfig(webhook: true)
        profile.decoder = PayloadDecoder.of("csv")
        let csv = Self.explain(hot, profile: profile, payload: "t\n40")
        // Rows are an array.
        #expect(csv.would == .skip && csv.steps.first { $0.check == .decode }?.isOK == true)
        let broken = Self.explain(hot, profile: profile, payload: "t\n1,2")
        #expect(broken.would == .skip && Self.blamed(broken.steps) == [.decode, .conditions])
        profile.refusesUndecoded = true
        let refused = Self.explain(hot, profile: profile, payload: "t\n1,2")
        #expect(refused.would == .ignore)
        let reason = refused.steps.first { $0.check == .decode }?.reason
        #expect(reason == "csv: line 2 has 2 fields, and there are 1 columns: it is refused (decode_failure: refuse)")
        #expect(Self.explain(hot).steps.allSatisfy { $0.check != .decode })
    }
}

@Suite("A webhook's health")
struct WebhookHealthTests {
    @Test("follows from its status and its failures in a row")
    func states() {
        let cases: [(WebhookStatus, Int64, WebhookHealth)] = [
            (.enabled, 0, .ok), (.enabled, 1, .failing), (.disabledDueToErrors, 0, .failing), (.disabled, 5, .off),
            (.unreadable, 5, .off),
        ]
        for (status, failures, health) in cases {
            #expect(WebhookHealth(status, consecutiveFailures: failures) == health)
        }
    }
}
