package import Domain
package import NIOCore
internal import Synchronization
package import WebhookClient

/// Makes one request as a delivery would and tells of every step. Nothing of it is logged, and no status changes.
package struct WebhookTester: Sendable {
    private let client: ClientConfiguration
    private let eventLoop: any EventLoop
    private let facts: @Sendable (ThingFacts.Subject, ThingFacts.Extent) async -> ThingFacts
    private let wallClock: WallClock

    package init(
        client: ClientConfiguration, eventLoop: any EventLoop,
        facts: @escaping @Sendable (ThingFacts.Subject, ThingFacts.Extent) async -> ThingFacts,
        wallClock: WallClock
    ) {
        self.client = client
        self.eventLoop = eventLoop
        self.facts = facts
        self.wallClock = wallClock
    }

    /// The steps so far, each with the time since the one before.
    private final class Trail: Sendable {
        private let state: Mutex<(steps: [TestReport.Step], last: NIODeadline)>
        private let start: NIODeadline

        init(now: NIODeadline) {
            self.start = now
            self.state = Mutex(([], now))
        }

        func add(_ name: String, error: String? = nil, detail: String? = nil) {
            let now = NIODeadline.now()
            self.state.withLock { state in
                state.steps.append(
                    TestReport.Step(
                        name: name, error: error, detail: detail,
                        microseconds: (now - state.last).wholeMicroseconds))
                state.last = now
            }
        }

        /// Where the receiver would have it go.
        let location = Mutex<String?>(nil)
        let headers = Mutex<AnswerHeaders?>(nil)
        /// What is wrong with the answer's body, if something is.
        let bodyFault = Mutex<AnswerMeaning.BodyFault?>(nil)

        var steps: [TestReport.Step] { self.state.withLock { $0.steps } }
        var microseconds: Int64 { (NIODeadline.now() - self.start).wholeMicroseconds }
    }

    package func test(_ target: WebhookTarget, with message: Message, sends: Bool) async -> TestReport {
        let trail = Trail(now: .now())
        let requests = WebhookRequests(target)
        var facts: ThingFacts =
            if target.needsFacts, message.hasThing {
                await self.facts(.init(message.thing, in: message.group), target.extent)
            } else { .unknown }
        // As if the message were the one that crossed.
        if target.conditions?.edge != nil { facts.crossing = Crossing(to: .active, since: message.id.time) }
        let known = facts
        let request: RenderedRequest
        do throws(RenderFailure) {
            request = try requests.plan.request(of: [message], org: target.org, facts: { _ in known })
            trail.add("render")
        } catch {
            trail.add("render", error: error.description)
            return TestReport(
                steps: trail.steps, request: nil, status: nil, body: [], hasSucceeded: false,
                microseconds: trail.microseconds)
        }
        let description = RequestDescription(request, of: message, to: target, showsHeaders: true)
        func report(_ status: Int?, _ body: [UInt8], hasSucceeded: Bool) -> TestReport {
            TestReport(
                steps: trail.steps, request: description, status: status, headers: trail.headers.withLock { $0 },
                body: body,
                hasSucceeded: hasSucceeded, microseconds: trail.microseconds)
        }
        guard sends else { return report(nil, [], hasSucceeded: true) }
        var client = self.client
        client.addressGuard = client.addressGuard.allowing(target.allowedNetworks)
        client.owner = target.group
        client.terms = target.tls
        client.keptBody = max(client.keptBody, target.judgedBody ?? 0)
        var authorization: String?
        switch await self.token(for: target, client, trail) {
        case nil: break
        case .success(let value, _)?: authorization = value
        case .failure?: return report(nil, [], hasSucceeded: false)
        }
        let (id, now, token) = (
            DeliveryID(message: message.id, webhook: target.key).text, self.wallClock.now, authorization
        )
        let outcome = await SingleRequest.send(
            to: target.url, on: self.eventLoop, configuration: client, onStep: { Self.note($0, in: trail) }
        ) { buffer in
            buffer.writeRequest(request, about: message, id: id, by: requests, at: now, authorization: token)
        }
        switch outcome {
        case .response(let status, let body, _):
            let meaning = target.policy.meaning(
                ofStatus: status, body, fault: trail.bodyFault.withLock { $0 })
            let why =
                switch meaning {
                case .taken: String?.none
                case .denied(let denial): denial.error
                case .refused:
                    trail.location.withLock { $0 }.map { "status \(status), \(Verdict.redirection(to: $0))" }
                        ?? "status \(status)"
                }
            trail.add("response", error: why, detail: "status \(status)")
            return report(
                status, Array(body.prefix(Dispatcher.Context.loggedBody)), hasSucceeded: meaning == .taken)
        case .failure(let failure):
            trail.add(Self.step(of: failure), error: failure.description)
            return report(nil, [], hasSucceeded: false)
        }
    }

    /// nil if the receiver wants none.
    private func token(
        for target: WebhookTarget, _ client: ClientConfiguration, _ trail: Trail
    ) async -> TokenExchange.Result? {
        guard let exchange = TokenExchange(target.options.auth, wallClock: self.wallClock) else { return nil }
        var client = client
        client.keptBody = TokenExchange.largestAnswer
        let outcome = await SingleRequest.send(to: exchange.url, on: self.eventLoop, configuration: client) {
            exchange.write(to: &$0)
        }
        let result = exchange.read(outcome)
        switch result {
        case .success: trail.add("token")
        case .failure(let failure): trail.add("token", error: failure.description)
        }
        return result
    }

    private static func note(_ step: ConnectionStep, in trail: Trail) {
        switch step {
        case .resolved(let addresses): trail.add("resolve", detail: addresses.joined(separator: ", "))
        case .permitted: trail.add("address")
        case .connected(let address): trail.add("connect", detail: address)
        case .secured: trail.add("tls")
        case .redirected(let location): trail.location.withLock { $0 = location }
        case .headed(let headers): trail.headers.withLock { $0 = headers }
        case .faulty(let fault): trail.bodyFault.withLock { $0 = fault }
        }
    }

    private static func step(of failure: Outcome.Failure) -> String {
        switch failure {
        case .dns, .nameServer: "resolve"
        case .forbiddenAddress: "address"
        case .connect, .proxy, .timeout(.connect): "connect"
        case .tls, .timeout(.handshake): "tls"
        case .token: "token"
        case .timeout, .closed, .reset, .invalidResponse, .cancelled: "response"
        }
    }
}
