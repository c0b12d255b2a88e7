import Domain
import Journal
import NIOPosix
import Observability
import Postgres
import Schema
import Synchronization
import TestSupport
import Testing
import Values
import WebhookClient

@testable import Delivery
@testable import Queue

@Suite("A lane and its claims")
struct LaneClaimTests {
    @Test("says with each wish what is known of the claim before, however soon it comes")
    func answers() async throws {
        let rig = try Rig(.thing)
        await rig.dispatcher.noteDues([rig.key: .first])
        var turns = rig.nextTurns()
        #expect(turns.map(\.wish.connections) == [nil], "there was none")
        // Nobody hears of the second.
        for answer in [3, nil, 4] as [Int?] {
            let claims = answer.map { [rig.key: rig.claim([], connections: $0)] } ?? [:]
            await rig.dispatcher.claimed(claims, for: turns)
            turns = rig.nextTurns()
            #expect(turns.map(\.wish.connections) == [answer])
        }
        await rig.close()
    }

    enum Change: CaseIterable {
        case nothing, disabled, toldToKeepOrder, givingBack
    }

    @Test("keeps what a claim brings if it is to be sent, and nothing comes before it", arguments: Change.allCases)
    func keeps(change: Change) async throws {
        let rig = try Rig(.first)
        await rig.dispatcher.noteDues([rig.key: .first])
        let turns = rig.nextTurns()
        try #require(turns.count == 1)
        await rig.dispatcher.stopSending()
        switch change {
        case .nothing: break
        case .disabled: try await rig.change(to: .first, .disabled)
        case .toldToKeepOrder: try await rig.change(to: .thing)
        case .givingBack:
            await rig.accept([rig.delivery(1)])
            #expect(await rig.lane() == Rig.Standing(waiting: 1, givenBack: 0))
            _ = await rig.dispatcher.perform { [key = rig.key] in $0.lane(of: key)?.giveBackAll() }
        }
        await rig.dispatcher.claimed([rig.key: rig.claim([2])], for: turns)
        let expected: Rig.Standing =
            switch change {
            case .nothing: Rig.Standing(waiting: 1, givenBack: 0)
            case .disabled, .toldToKeepOrder: Rig.Standing(waiting: 0, givenBack: 1)
            case .givingBack: Rig.Standing(waiting: 0, givenBack: 2)
            }
        #expect(await rig.lane() == expected)
        await rig.close()
    }

    @Test("goes without what a lost lease was for, and takes back what it wished for before that goes back")
    func forfeited() async throws {
        let rig = try Rig(.first)
        await rig.dispatcher.noteDues([rig.key: .first])
        await rig.dispatcher.stopSending()
        var deliveries = [1, 2].map(rig.delivery)
        let held = rig.ledger.held
        deliveries.formBatches(onStart: { held.hold($0) }, onEnd: held.onEnd)
        held.renewed(until: .now, wasLost: true)
        await rig.accept(deliveries)
        #expect(await rig.lane() == Rig.Standing(waiting: 0, givenBack: 2))
        #expect(rig.nextTurns().isEmpty)
        await rig.close()
    }

    @Test("takes back what it wished for when it is told to keep order, and wishes for it in order")
    func reordered() async throws {
        let rig = try Rig(.first)
        await rig.dispatcher.noteDues([rig.key: .first])
        try await rig.change(to: .thing)
        #expect(rig.nextTurns().isEmpty)
        await rig.dispatcher.tick()
        #expect(rig.nextTurns().map(\.wish.isInOrder) == [true])
        await rig.close()
    }
}

/// A dispatcher, and the line in which its only webhook's lane waits for claims. There is no receiver and no database.
private final class Rig: Sendable {
    /// What a lane has.
    struct Standing: Equatable {
        let waiting: Int
        let givenBack: Int
    }

    private final class Routes: Sendable {
        let target: Mutex<WebhookTarget>
        init(_ target: WebhookTarget) { self.target = Mutex(target) }
    }

    let key = WebhookKey(rawValue: 1)
    let ledger = LaneLedger()
    let dispatcher: Dispatcher
    private let claims = ClaimLine()
    private let routes: Routes

    init(_ ordering: DeliveryPolicy.Ordering) throws {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let target = try Self.target(self.key, .random(), version: 1, ordering, .enabled)
        let (routes, claims, ledger, metrics) = (Routes(target), self.claims, self.ledger, Metrics())
        self.routes = routes
        let ports = DeliveryPorts(
            target: { key in routes.target.withLock { $0.key == key ? $0 : nil } }, changedWebhooks: { [] },
            webhooks: { [] }, facts: { _, _ in nil }, readFacts: { _, _ in [:] }, responses: nil,
            tally: WebhookTally(totals: WebhookTotals(most: 1)))
        let database = Database(pool: Pool(endpoint: try Endpoint("host=nowhere.invalid"), logger: silentLogger))
        let store = DeliveryStore(database, session: SessionIdentity(id: SessionID(rawValue: 1), clientID: "a"))
        let client = ClientConfiguration(resolver: WebhookClient.Resolver(threads: .singleton))
        self.dispatcher = Dispatcher(
            context: Dispatcher.Context(
                eventLoop: eventLoop, configuration: DeliveryConfiguration(),
                connections: SharedConnections(
                    eventLoop: eventLoop, configuration: client, limits: ConnectionLimits()),
                wallClock: WallClock { 1_000_000 }, metrics: metrics, ledger: ledger, quotas: nil, ports: ports,
                completer: Completer(store: store, ledger: ledger, metrics: metrics, logger: silentLogger),
                factsLine: FactsLine(), log: RateLimitedLog(logger: silentLogger), traces: nil,
                withdrawWish: { claims.withdraw($0, of: $1) }),
            currentTarget: ports.target, wish: { claims.add($0) })
    }

    private static func target(
        _ key: WebhookKey, _ group: EntityID, version: Int64, _ ordering: DeliveryPolicy.Ordering,
        _ status: WebhookStatus
    ) throws -> WebhookTarget {
        var policy = DeliveryPolicy()
        policy.ordering = ordering
        return WebhookTarget(
            key: key, id: .random(), group: group, version: version, url: try WebhookURL("http://receiver.invalid"),
            headers: [], status: status, policy: policy)
    }

    private var target: WebhookTarget { self.routes.target.withLock { $0 } }

    /// The webhook is changed, and its lane hears of it.
    func change(to ordering: DeliveryPolicy.Ordering, _ status: WebhookStatus = .enabled) async throws {
        let former = self.target
        let changed = try Self.target(self.key, former.group, version: former.version + 1, ordering, status)
        self.routes.target.withLock { $0 = changed }
        _ = await self.dispatcher.follow([self.key])
    }

    private func message(_ number: Int) -> Message {
        Message(
            id: MessageID(rawValue: Int64(number)), thing: .random(), group: self.target.group, subtopic: "",
            contentType: "a/b", payload: [], traceparent: nil, isKept: false, receivedNanoseconds: nil)
    }

    /// One that was committed for this instance.
    func delivery(_ number: Int) -> Delivery {
        Delivery(message: self.message(number), webhook: self.target, isLeased: true)
    }

    /// What the database has leased; it may have more.
    func claim(_ numbers: [Int], connections: Int = 1) -> Claim {
        Claim(
            deliveries: numbers.map { number in
                ClaimedDelivery(
                    message: self.message(number), attempts: 0, replayedAt: nil, batch: nil, bundle: nil)
            }, isPartial: true, nextDue: nil, missingBytes: 0, connections: connections)
    }

    func accept(_ deliveries: [Delivery]) async {
        await self.dispatcher.perform { $0.accept(deliveries, where: { _ in true }, backlog: []) }
    }

    /// The claims that are granted next.
    func nextTurns() -> [ClaimTurns.Turn] { self.claims.next(in: self.ledger) }

    /// nil if there is none.
    func lane() async -> Standing? {
        await self.dispatcher.perform { [key = self.key] dispatcher in
            dispatcher.lane(of: key).map { Standing(waiting: $0.queue.count, givenBack: $0.givenBack) }
        }
    }

    func close() async { await self.dispatcher.close() }
}

extension Dispatcher {
    fileprivate func perform<Value: Sendable>(_ body: @Sendable (isolated Dispatcher) -> Value) -> Value { body(self) }
}
