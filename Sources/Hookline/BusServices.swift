internal import API
internal import Delivery
internal import Domain
internal import Inbound
internal import Logging
internal import MQTT
internal import Observability
internal import Queue
internal import Schema
internal import ServiceLifecycle

/// What goes to the bus for others, and what things answer there: each on a connection of its own, beside intake's.
struct BusServices {
    let things: ThingPublisher
    private let commands: CommandPublisher
    private let answers: AnswerListener
    private let sources: SourcePublisher
    private let board: AnswerBoard
    private let limits: CommandLimits

    /// - Parameter broker: how this instance reaches the broker.
    init(
        _ configuration: ServiceConfiguration, _ database: Database, broker: Session.Configuration, metrics: Metrics,
        logger: Logger
    ) throws {
        self.limits = configuration.commands
        self.board = AnswerBoard(most: configuration.commands.mostWaiting)
        self.things = try ThingPublisher(broker: broker, logger: logger)
        self.sources = try SourcePublisher(
            store: SourceEventStore(database), broker: broker, metrics: metrics, logger: logger)
        let commands = try CommandPublisher(
            store: CommandStore(database), broker: broker, metrics: metrics, logger: logger)
        self.commands = commands
        self.answers = try AnswerListener(
            store: CommandStore(database), board: self.board, broker: broker,
            sharedGroup: configuration.delivery.sharedGroup, metrics: metrics, logger: logger,
            call: { commands.call() })
    }

    var services: [any Service] { [self.sources, self.things, self.commands, self.answers] }

    /// An event of a source waits for the bus.
    var callSources: @Sendable () -> Void { { [sources] in sources.call() } }

    func commandPort(keys: CommandKeys) -> CommandPort {
        CommandPort(limits: self.limits, board: self.board, keys: keys, call: { [commands] in commands.call() })
    }
}
