package import LocalServices

/// A database, a broker and a running Hookline, with a group, a profile and a thing in it.
package final class Installation: Sendable {
    package let folder: String
    package let postgres: LocalPostgres
    package let postgresURL: String
    package let mosquitto: LocalMosquitto
    package let api: APIClient
    package let group: String
    package let profile: String
    package let thing: String

    private init(
        folder: String, postgres: LocalPostgres, postgresURL: String, mosquitto: LocalMosquitto, api: APIClient,
        group: String, profile: String, thing: String
    ) {
        self.folder = folder
        self.postgres = postgres
        self.postgresURL = postgresURL
        self.mosquitto = mosquitto
        self.api = api
        self.group = group
        self.profile = profile
        self.thing = thing
    }

    /// Everything that a test starts, ended by ``Installation/with(ownPostgres:profile:settings:_:)`` whatever happens.
    package actor Running {
        package private(set) var postgres: ChildProcess?
        package private(set) var broker: ChildProcess
        package private(set) var hookline: HooklineProcess

        init(postgres: ChildProcess?, broker: ChildProcess, hookline: HooklineProcess) {
            self.postgres = postgres
            self.broker = broker
            self.hookline = hookline
        }

        package func replace(postgres: ChildProcess) { self.postgres = postgres }
        package func replace(broker: ChildProcess) { self.broker = broker }
        package func replace(hookline: HooklineProcess) { self.hookline = hookline }

        func stop() async {
            await self.hookline.process.stop()
            await self.broker.stop()
            await self.postgres?.stop(2)
        }
    }

    package static let forwarding = #"{"content_type":"application/json","write":false,"webhook":true}"#

    /// Runs `body` on an installation of its own.
    ///
    /// - Parameters:
    ///   - binary: the one that runs at first.
    ///   - ownPostgres: whether the test stops and starts the database, and so needs one for itself.
    ///   - database: a server that runs already, and the connection string that is to be used for it.
    ///   - profile: the profile's `config`.
    ///   - prepareBroker: makes the broker's configuration in a folder, for a port.
    package static func with(
        _ binary: String = HooklineProcess.binary, ownPostgres: Bool = false,
        database: (cluster: LocalPostgres, url: String)? = nil, profile: String = Installation.forwarding,
        settings: [String: String] = [:],
        prepareBroker: (String, Int) async throws -> LocalMosquitto = {
            try LocalMosquitto.prepare(in: $0, port: $1)
        }, _ body: (Installation, Running) async throws -> Void
    ) async throws {
        let folder = try Files.makeTemporaryFolder()
        let cluster: LocalPostgres
        let server: ChildProcess?
        let url: String
        let isOwnDatabase = !ownPostgres && database == nil
        var settings = settings
        if ownPostgres {
            cluster = try await LocalPostgres.prepare(in: "\(folder)/postgres", port: freePort())
            server = try await cluster.start()
            url = cluster.url
        } else if let database {
            (cluster, url) = database
            server = nil
        } else {
            (cluster, _) = try await SharedPostgres.shared.running()
            server = nil
            // An older one makes the schema that it knows.
            let shared = SharedPostgres.shared
            let isOlder = binary == HooklineProcess.previousBinary
            url = try await isOlder ? shared.makeDatabase() : shared.makeMigratedDatabase()
            if settings["POSTGRES_DATA_URL"] == nil {
                settings["POSTGRES_DATA_URL"] = try GivenPostgres.entrance(to: url)
            }
        }
        let mosquitto = try await prepareBroker("\(folder)/mosquitto", freePort())
        let broker = try await mosquitto.start()
        let hookline = try await HooklineProcess.serve(
            binary, postgres: url, mqttPort: mosquitto.port, logFile: "\(folder)/hookline.log", settings: settings)
        let running = Running(postgres: server, broker: broker, hookline: hookline)
        do {
            let api = hookline.api(token: try await HooklineProcess.token(user: "owner"))
            let group = try await api.create("/groups", #"[{"name":"Group"}]"#)
            let profileID = try await api.create(
                "/groups/\(group)/profiles", #"[{"name":"Profile","config":\#(profile)}]"#)
            let thing = try await api.create(
                "/groups/\(group)/things", #"[{"name":"Thing","profile_id":"\#(profileID)"}]"#)
            let installation = Installation(
                folder: folder, postgres: cluster, postgresURL: url, mosquitto: mosquitto, api: api, group: group,
                profile: profileID, thing: thing)
            try await body(installation, running)
        } catch {
            await running.stop()
            throw error
        }
        await running.stop()
        if isOwnDatabase { try await SharedPostgres.shared.remove(url) }
    }

    package func addWebhook(_ name: String, _ url: String, headers: String = "{}") async throws {
        _ = try await self.api.create(
            "/groups/\(self.group)/webhooks", #"[{"name":"\#(name)","url":"\#(url)","headers":\#(headers)}]"#)
    }

    /// Makes a webhook of this JSON's fields, and answers its id.
    package func webhook(_ name: String, _ url: String, _ fields: String = "") async throws -> String {
        try await self.api.create(
            "/groups/\(self.group)/webhooks",
            #"[{"name":"\#(name)","url":"\#(url)"\#(fields.isEmpty ? "" : ",")\#(fields)}]"#)
    }

    /// Runs a statement, and answers what it says.
    package func sql(_ statement: String) async throws -> String {
        try await self.postgres.psql(statement, database: String(self.postgresURL.split(separator: "/").last ?? ""))
    }

    /// Listens to a topic; what comes is in the file, a line each: the topic, a space, the payload.
    package func listen(_ topic: String) async throws -> (process: ChildProcess, file: String) {
        let file = try Files.makeTemporaryFolder() + "/heard"
        let process = try await ChildProcess.start(
            "mosquitto_sub",
            [
                "-h", "127.0.0.1", "-p", "\(self.mosquitto.port)", "-q", "1", "-v", "-t", topic, "-t",
                "ready/\(topic.utf8.count)",
            ],
            logFile: file)
        // It has subscribed once it hears us.
        try await waitUntil("the subscription") {
            try await self.publish("?", topic: "ready/\(topic.utf8.count)")
            return Files.read(file)?.contains("ready/") == true
        }
        return (process, file)
    }

    /// Publishes one message with `mosquitto_pub`.
    package func publish(_ payload: String, subtopic: String? = nil, more: [String] = []) async throws {
        try await self.publish(
            payload, topic: "things/\(self.thing)/messages\(subtopic.map { "/" + $0 } ?? "")", more: more)
    }

    package func publish(_ payload: String, topic: String, more: [String] = []) async throws {
        try await ChildProcess.complete(
            "mosquitto_pub",
            ["-h", "127.0.0.1", "-p", "\(self.mosquitto.port)", "-q", "1", "-t", topic, "-m", payload] + more)
    }

    /// Publishes `{"n":<first>}` … `{"n":<last>}` at QoS 1 over one connection, and returns when all are acknowledged.
    ///
    /// - Parameter padding: bytes that are added to each, as a string.
    package func publish(_ range: ClosedRange<Int>, padding: Int = 0) async throws {
        let more = padding == 0 ? "" : #","p":"\#(String(repeating: "x", count: padding))""#
        // mosquitto_pub takes itself for done when a packet id comes round again, after 65,535 lines.
        guard range.count <= 20_000 else {
            let middle = range.lowerBound + 20_000
            try await self.publish(range.lowerBound...(middle - 1), padding: padding)
            return try await self.publish(middle...range.upperBound, padding: padding)
        }
        try await ChildProcess.complete(
            "sh",
            [
                "-c",
                """
                seq -f '{"n":%.0f\(more)}' \(range.lowerBound) \(range.upperBound) | \
                mosquitto_pub -h 127.0.0.1 -p \(self.mosquitto.port) -q 1 -l -t things/\(self.thing)/messages/load
                """,
            ])
    }
}
