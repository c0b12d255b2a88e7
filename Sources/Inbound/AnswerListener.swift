internal import Domain
package import Logging
package import MQTT
package import Observability
package import Queue
internal import ServiceLifecycle
internal import Values

/// Listens to what things answer to commands, and to things for which commands wait until they are heard of.
///
/// It is a subscription of its own, beside the one that takes messages: an answer is a message as others are, and the way of
/// messages knows nothing of commands. What is taken here is acknowledged when it is in the database.
package struct AnswerListener: Service {
    private let store: CommandStore
    private let board: AnswerBoard
    private let session: Session
    private let answers: NumberedFilter
    /// Something is due.
    private let call: @Sendable () -> Void
    private let metrics: Metrics
    private let logger: Logger
    private let log: RateLimitedLog

    /// How often it is looked which things to listen to.
    private static let look: Duration = .seconds(1)
    /// After how long what the broker refused is asked for again: what an account may do changes.
    private static let retry: Duration = .seconds(10)
    /// How often it is looked for answers that another instance has taken, while somebody waits here.
    private static let poll: Duration = .milliseconds(250)
    private static let (answerNumber, thingNumber) = (Int32(1), Int32(2))

    /// - Parameters:
    ///   - broker: how this instance reaches the broker; it comes in under another client id.
    ///   - sharedGroup: of the instances, which then take each answer once.
    ///   - call: told when a command has fallen due.
    package init(
        store: CommandStore, board: AnswerBoard, broker: Session.Configuration, sharedGroup: String?,
        metrics: Metrics, logger: Logger, call: @escaping @Sendable () -> Void
    ) throws(MQTTError) {
        var broker = broker
        broker.clientID += "-answers"
        broker.topicFilters = []
        // Answers wait for a restart; but of several instances nothing is to wait for one that is gone.
        broker.isTransient = sharedGroup != nil
        broker.sessionExpiry = sharedGroup == nil ? .seconds(600) : .zero
        broker.receiveMaximum = 1_000
        self.session = try Session(broker, logger: logger)
        self.answers = NumberedFilter(
            filter: "\(sharedGroup.map { "$share/\($0)/" } ?? "")things/+/messages/\(CommandAnswer.prefix)/#",
            number: Self.answerNumber, retained: false)
        self.store = store
        self.board = board
        self.call = call
        self.metrics = metrics
        self.logger = logger
        self.log = RateLimitedLog(logger: logger)
    }

    package func run() async throws {
        await withGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                group.addTask {
                    await Periodic(every: Self.poll, orSay: "answers of things are told later", logger: self.logger)
                        .run {
                            for (command, answer) in try await self.store.ended(of: self.board.commands) {
                                self.board.post(answer, to: command)
                            }
                        }
                }
                await self.listen()
                group.cancelAll()
            }
        } onGracefulShutdown: {
            self.board.close()
            self.session.interrupt()
        }
    }

    private func listen() async {
        var backoff = Backoff()
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            var connected: ContinuousClock.Instant?
            do {
                try await self.session.connect(following: [self.answers])
                connected = .now
                self.log.over("lost")
                try await self.receive()
            } catch {
                guard !Task.isShuttingDownGracefully else { break }
                self.log.trouble("lost", "answers of things are not heard", "\(error)")
                if let since = connected { backoff.ended(after: .now - since) }
                let wait = backoff.next()
                // Cancelled by the shutdown, which the loop around this looks at next.
                await cancelWhenGracefulShutdown { try? await Task.sleep(for: wait) }
            }
        }
    }

    private func receive() async throws {
        var followed: Set<EntityID> = []
        var (next, retry) = (ContinuousClock.now, ContinuousClock.now)
        while !Task.isShuttingDownGracefully {
            if ContinuousClock.now >= next {
                try await self.follow(&followed)
                next = .now + Self.look
            }
            if ContinuousClock.now >= retry, await self.session.isSubscribed {
                await self.askAgain(followed)
                retry = .now + Self.retry
            }
            // Acknowledges what came before, which is noted.
            let batch = try await self.session.acknowledgeAndReceive(
                upTo: 500, bytes: 4 * 1024 * 1024, within: Self.look)
            do {
                // Of an earlier run, whose filters the broker has kept.
                let strangers = try await self.note(batch).subtracting(followed)
                if !strangers.isEmpty {
                    await self.session.change(subscribing: [], leaving: strangers.map(Self.filter))
                }
            } catch {
                await self.session.disconnect(acknowledging: false)
                throw error
            }
        }
        await self.session.disconnect(acknowledging: true)
    }

    private func follow(_ followed: inout Set<EntityID>) async throws {
        let awaited = try await self.store.awaited()
        let (new, former) = (awaited.subtracting(followed), followed.subtracting(awaited))
        followed = awaited
        guard !new.isEmpty || !former.isEmpty else { return }
        await self.session.change(subscribing: new.map(Self.numbered), leaving: former.map(Self.filter))
    }

    /// Tells what the broker has refused, and subscribes to it once more.
    private func askAgain(_ followed: Set<EntityID>) async {
        let refused = await self.session.refusedFilters
        let again = ([self.answers] + followed.map(Self.numbered)).filter { refused[ExactText($0.filter)] != nil }
        guard !again.isEmpty else { return self.log.over("filters") }
        let filters = again.prefix(5).map { "\($0.filter) (\(refused[ExactText($0.filter)] ?? 0))" }.joined(
            separator: ", ")
        self.log.trouble(
            "filters", "the broker does not let Hookline hear answers of things", filters,
            metadata: ["count": "\(again.count)", "filters": "\(filters)"])
        await self.session.change(subscribing: again, leaving: [])
    }

    private static func numbered(_ thing: EntityID) -> NumberedFilter {
        NumberedFilter(filter: Self.filter(of: thing), number: Self.thingNumber, retained: false)
    }

    private static func filter(of thing: EntityID) -> String { "things/\(thing)/messages/#" }

    /// - Returns: the things of whose own subscriptions something came.
    private func note(_ batch: Batch) async throws -> Set<EntityID> {
        var (seen, followed): (Set<EntityID>, Set<EntityID>) = ([], [])
        for message in batch.messages {
            if let thing = (try? ThingTopic(message.topic))?.thing {
                seen.insert(thing)
                if message.subscriptions.contains(Self.thingNumber) { followed.insert(thing) }
            }
            // What comes for a thing's own subscription comes for the other as well, here or at another instance.
            guard message.subscriptions.isEmpty || message.subscriptions.contains(Self.answerNumber),
                let answer = CommandAnswer(message.topic)
            else { continue }
            guard let command = try await self.store.answered(answer, with: message.payload) else { continue }
            self.metrics.commands.add("answered")
            self.board.post(message.payload, to: command)
        }
        if try await self.store.seen(seen) > 0 { self.call() }
        return followed
    }
}
