internal import Delivery
internal import Logging
internal import Postgres
internal import Queue
internal import Schema

internal import class Threads.DedicatedThread

/// The connections to PostgreSQL, apart by what they do, so that a slow list in the API does not hold up a commit.
///
/// With `POSTGRES_DATA_URL` what is about messages and deliveries alone goes another way to the same database: commits, results,
/// counts, the log. What takes turns by locks, listens, or is about more goes by `POSTGRES_URL`, claims and housekeeping too.
struct Pools {
    /// How all but those to the data get there, but for what their plans are to be like.
    let endpoint: Endpoint
    let general: Pool
    /// On the thread of the session with the broker: whoever takes messages has nothing else to do while they are committed.
    let intake: Pool
    let intakeThread: DedicatedThread
    /// For messages that are fetched for others.
    let adoption: Pool
    let delivery: Pool
    /// The other way to the data; nil if there is none.
    let data: Data?
    /// What leases are renewed by must not wait for a list or a view.
    let leases: Pool
    /// For `/ready`, which must not wait for others.
    let probe: Pool

    /// What goes by `POSTGRES_DATA_URL`, beside intake and adoption.
    struct Data {
        let endpoint: Endpoint
        /// Counts, and what people look at.
        let general: Pool
        /// Results.
        let recording: Pool
        let probe: Pool
        /// As the commits of intake use it.
        fileprivate let committing: Endpoint
        fileprivate let logger: Logger

        var all: [Pool] { [self.general, self.recording, self.probe] }

        /// For commits at one node of the database: one connection, and one to see whether it can be entered. nil if its name is
        /// none of a host.
        func pool(at node: DataNode) -> Pool? {
            self.committing.at(host: node.host, port: Int(node.port)).map {
                Pool(endpoint: $0, configuration: .init(size: 2), logger: self.logger)
            }
        }
    }

    var all: [Pool] {
        [self.general, self.intake, self.adoption, self.delivery, self.leases, self.probe] + (self.data?.all ?? [])
    }

    /// How many connections an instance has by `POSTGRES_URL` at the most: the pools', and one for each that listens for changes.
    static func mostConnections(_ configuration: ServiceConfiguration) -> Int {
        let intake = configuration.postgresData == nil ? 1 + 1 : 0
        let fixed = intake + configuration.delivery.claimers + 2 + 2 + 1
        return configuration.poolSize + fixed + (configuration.accounts == nil ? 1 : 2)
    }

    /// How many it has by `POSTGRES_URL` at the least, once things come and go: one of each pool, another of that of deliveries, where
    /// claims do not wait for results, and one for each that listens for changes. Not what adopts others' sessions now and then.
    static func leastConnections(_ configuration: ServiceConfiguration) -> Int {
        let intake = configuration.postgresData == nil ? 1 : 0
        return 1 + intake + 2 + 1 + 1 + (configuration.accounts == nil ? 1 : 2)
    }

    init(_ configuration: ServiceConfiguration, logger: Logger) throws {
        // Compiling a plan takes longer than all that is done here with one.
        func prepared(_ endpoint: Endpoint) -> Endpoint { endpoint.with(setting: "jit", "off").changing(as: .service) }
        let postgres = prepared(configuration.postgres)
        let data = configuration.postgresData.map(prepared)
        self.endpoint = postgres
        self.general = Pool(
            endpoint: postgres, configuration: .init(size: configuration.poolSize), logger: logger)
        let committing = (data ?? postgres).byKeys()
        self.intakeThread = try DedicatedThread(name: "intake")
        self.intake = Pool(
            endpoint: committing, configuration: .init(size: 1, thread: self.intakeThread), logger: logger)
        self.adoption = Pool(endpoint: committing, configuration: .init(size: 1), logger: logger)
        // A connection for each claim, one for results, and one for what is due.
        self.delivery = Pool(
            endpoint: postgres.byKeys(), configuration: .init(size: configuration.delivery.claimers + 2), logger: logger
        )
        self.leases = Pool(endpoint: postgres, configuration: .init(size: 2), logger: logger)
        self.probe = Pool(endpoint: postgres, configuration: .init(size: 1), logger: logger)
        self.data =
            if let data {
                Data(
                    endpoint: data,
                    general: Pool(
                        endpoint: data, configuration: .init(size: configuration.poolSize), logger: logger),
                    recording: Pool(
                        endpoint: data.byKeys(), configuration: .init(size: 1), logger: logger),
                    probe: Pool(endpoint: data, configuration: .init(size: 1), logger: logger),
                    committing: committing, logger: logger)
            } else { nil }
    }
}
