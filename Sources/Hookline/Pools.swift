internal import Delivery
internal import Logging
internal import Postgres
internal import Schema

internal import class Threads.DedicatedThread

/// The connections to PostgreSQL, apart by what they do, so that a slow list in the API does not hold up a commit.
struct Pools {
    let general: Pool
    /// On the thread of the session with the broker: whoever takes messages has nothing else to do while they are committed.
    let intake: Pool
    let intakeThread: DedicatedThread
    /// For messages that are fetched for others.
    let adoption: Pool
    let delivery: Pool
    /// What leases are renewed by must not wait for a list or a view.
    let leases: Pool
    /// For `/ready`, which must not wait for others.
    let probe: Pool

    var all: [Pool] { [self.general, self.intake, self.adoption, self.delivery, self.leases, self.probe] }

    /// How many connections an instance has at the most: the pools', and one for each that listens for changes.
    static func mostConnections(_ configuration: ServiceConfiguration) -> Int {
        let fixed = 1 + 1 + configuration.delivery.claimers + 2 + 2 + 1
        return configuration.poolSize + fixed + (configuration.accounts == nil ? 1 : 2)
    }

    init(_ configuration: ServiceConfiguration, logger: Logger) throws {
        // Compiling a plan takes longer than all that is done here with one.
        let postgres = configuration.postgres.with(setting: "jit", "off").changing(as: .service)
        self.general = Pool(
            endpoint: postgres, configuration: .init(size: configuration.poolSize), logger: logger)
        let generic = postgres.with(setting: "plan_cache_mode", "force_generic_plan")
        self.intakeThread = try DedicatedThread(name: "intake")
        self.intake = Pool(
            endpoint: generic, configuration: .init(size: 1, thread: self.intakeThread), logger: logger)
        self.adoption = Pool(endpoint: generic, configuration: .init(size: 1), logger: logger)
        // These statements touch rows by their keys. A plan made while a table was empty must not turn into a scan of
        // a full one. A connection for each claim, one for results, and one for what is due.
        self.delivery = Pool(
            endpoint: generic.with(setting: "enable_seqscan", "off").with(setting: "enable_hashjoin", "off")
                .with(setting: "enable_mergejoin", "off").with(setting: "enable_bitmapscan", "off"),
            configuration: .init(size: configuration.delivery.claimers + 2), logger: logger)
        self.leases = Pool(endpoint: postgres, configuration: .init(size: 2), logger: logger)
        self.probe = Pool(endpoint: postgres, configuration: .init(size: 1), logger: logger)
    }
}
