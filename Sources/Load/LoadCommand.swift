internal import ArgumentParser
internal import Domain
internal import LocalServices

/// `hookline-load`: runs a built `hookline` with a PostgreSQL, a broker and receivers of its own, all on loopback, and
/// says what it did and what that took.
@main
struct LoadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hookline-load", abstract: "Measures a built hookline on this machine.")

    @Option(help: "The hookline to measure.") var binary = ".build/release/hookline"
    @Option(help: "Messages to publish.") var messages = 50_000
    @Option(help: "Messages per second, and ten of another group beside them; 0 is as fast as they can be published.")
    var rate = 0
    @Option(help: "Webhooks of each group.") var fanOut = 1
    @Option(help: "Groups that the messages are spread over.") var groups = 1
    @Option(help: "Things that publish, over all groups.") var things = 100
    @Option(help: "Things in the directory that publish nothing.") var idleThings = 0
    @Option(help: "Bytes of a payload.") var size = 256
    @Option(help: "Receivers, each with an address of its own; webhooks share them in turn.") var origins = 1
    @Option(help: "Milliseconds that the receivers take to answer; to be had with a rate.") var latency = 0
    @Flag(help: "Adds to the first group a webhook that hangs and one that answers after 100 ms.") var beside = false
    @Flag(help: "The receivers write their answers in two pieces, the second when the first is acknowledged.")
    var nagle = false
    @Flag(help: "The receivers speak TLS.") var tls = false
    @Flag(help: "One thing publishes everything, so that it goes out one after the other.") var oneThing = false
    @Option(help: "The order in which each thing's messages go out: none, first or thing.")
    var ordering = DeliveryPolicy().ordering
    @Flag(help: "The receivers are away until everything is published; meanwhile another group is served.")
    var outage = false
    @Option(
        help: """
            So many webhooks cannot send: a third each is refused, hangs, and has a rate limit of one a second. A group beside \
            them is measured before, with what they have waiting, and while they catch up.
            """)
    var shut = 0
    @Option(help: "So many webhooks have something waiting when hookline starts, and a group beside them is measured.")
    var catchUp = 0
    @Option(
        help: "For so many minutes one of twenty webhooks is away, and the size of every table and index is looked at.")
    var soak = 0.0
    @Option(
        help: """
            So many webhooks over all groups, which are quiet. A group beside them is measured while they are, while one of them \
            is saved, and while a burst goes to all of them.
            """)
    var webhooks = 0
    @Option(help: "Messages that wait for each of these webhooks.") var waiting = 1_000
    @Option(help: "How often to repeat it.") var rounds = 1

    func validate() throws {
        guard self.messages > 0, self.fanOut > 0, self.groups > 0, self.origins > 0, self.rounds > 0,
            self.things >= self.groups
        else { throw ValidationError("counts are positive, and there is a thing for each group at the least") }
        guard self.shut >= 0, self.catchUp >= 0, self.waiting > 0, self.shut == 0 || self.catchUp == 0 else {
            throw ValidationError("webhooks are shut, or they catch up, each with something that waits")
        }
        guard self.soak >= 0, self.soak == 0 || self.shut + self.catchUp + self.webhooks == 0 else {
            throw ValidationError("a soak is one of its own")
        }
        guard self.webhooks >= 0, self.webhooks == 0 || self.shut + self.catchUp == 0,
            self.webhooks % self.groups == 0
        else { throw ValidationError("each group has as many webhooks, and none are shut or catch up beside them") }
        guard !self.oneThing || self.groups == 1 && self.shut + self.catchUp + self.webhooks == 0 && self.soak == 0
        else {
            throw ValidationError("one thing is of one group, with nothing beside it")
        }
        guard self.latency >= 0 else { throw ValidationError("answers are not given before they are asked for") }
        guard self.size >= Payload.smallest else {
            throw ValidationError("a payload has \(Payload.smallest) bytes or more: it carries a number and a time")
        }
        guard Files.exists(self.binary) else {
            throw ValidationError("there is no \(self.binary); make release builds it")
        }
    }

    func run() async throws {
        let options = self.chosen
        for _ in 0..<self.rounds {
            let text = try await Rig.with(options) { rig in
                if options.soak > 0 { return try await SoakScenario(rig: rig, options: options).run() }
                if options.webhooks > 0 { return try await ManyScenario(rig: rig, options: options).run() }
                return options.shut + options.catchUp > 0
                    ? try await BesideScenario(rig: rig, options: options).run()
                    : try await Scenario(rig: rig, options: options).run().text
            }
            print(text)
        }
    }

    private var chosen: LoadCommand {
        guard self.soak == 0 else { return self.soaking }
        var options = self
        if self.oneThing { options.things = 1 }
        return options
    }

    /// Each webhook of another group and with a receiver of its own.
    private var soaking: LoadCommand {
        var options = self
        (options.groups, options.fanOut, options.origins) = (SoakScenario.webhooks, 1, SoakScenario.webhooks)
        options.things = max(options.things, SoakScenario.webhooks)
        options.rate = options.rate == 0 ? 1_000 : options.rate
        return options
    }
}

extension DeliveryPolicy.Ordering: ExpressibleByArgument {}
