internal import Crypto
internal import Domain
internal import Glibc
internal import LocalServices

/// The private database and broker of `hookline dev`.
struct DevEnvironment: Sendable {
    let folder: String
    let postgresURL: String
    let mqttPort: Int
    let jwtSecret: String
    /// For SECRETS_KEY.
    let secretsKey: String
    private let postgres: ChildProcess
    private let mosquitto: ChildProcess
    private let lock: FolderLock
    private let reserved: [ReservedPort]

    /// Starts both; whatever is missing on this machine is named.
    static func start(in folder: String) async throws -> DevEnvironment {
        try Files.makeFolder(folder)
        guard let lock = try FolderLock(folder) else {
            throw LocalServiceError(
                "`hookline dev` runs in \(folder) already; end that one, or give this one a --folder of its own")
        }
        let isNew = !Files.exists("\(folder)/secrets_key")
        let secret = try self.secret("jwt_secret", in: folder) { Hex.encode($0) }
        let secretsKey = try self.secret("secrets_key", in: folder) { Base64.encode($0) }
        let postgresPort = try ReservedPort.any()
        let cluster = try await LocalPostgres.prepare(
            in: try self.clusterFolder(in: folder, secretsKey: secretsKey, isNew: isNew), port: postgresPort.number,
            // Enough for a laptop; losing the last moments with the whole machine is fine here.
            settings: ["shared_buffers": "128MB", "max_wal_size": "1GB"])
        let postgres = try await cluster.start()
        do {
            let mqttPort = try ReservedPort.preferring(1_883)
            let broker = try LocalMosquitto.prepare(in: "\(folder)/mosquitto", port: mqttPort.number)
            let mosquitto = try await broker.start()
            return DevEnvironment(
                folder: folder, postgresURL: cluster.url, mqttPort: mqttPort.number, jwtSecret: secret,
                secretsKey: secretsKey, postgres: postgres, mosquitto: mosquitto, lock: lock,
                reserved: [postgresPort, mqttPort])
        } catch {
            await postgres.stop(SIGINT)
            throw error
        }
    }

    func stop() async {
        await self.mosquitto.stop()
        await self.postgres.stop(SIGINT)
    }

    /// Tells both to end, which they do by themselves.
    func abandon() {
        self.mosquitto.signal(SIGTERM)
        self.postgres.signal(SIGINT)
    }

    /// PostgreSQL runs as another user when we are root, and that user must get to its files. Where it could not, they
    /// are kept under `/var/tmp`, by a name that goes with the folder's secrets: a folder that was removed and is made again has others,
    /// and they open nothing of the database that it had.
    private static func clusterFolder(in folder: String, secretsKey: String, isNew: Bool) throws -> String {
        guard getuid() == 0, !Files.othersCanEnter(folder) else { return "\(folder)/postgres" }
        func elsewhere(_ name: String) -> String {
            let digest = SHA256.hash(data: Array(name.utf8)).prefix(6).map { String($0, radix: 16) }.joined()
            return "/var/tmp/hookline-dev-\(digest)"
        }
        // Earlier versions went by the folder alone.
        let former = elsewhere(folder)
        if !isNew, Files.exists(former) { return "\(former)/postgres" }
        let path = elsewhere("\(folder) \(secretsKey)")
        try Files.makeFolder(path)
        return "\(path)/postgres"
    }

    /// A random secret that stays the same from one start to the next.
    private static func secret(
        _ name: String, in folder: String, as text: (UnsafeRawBufferPointer) -> String
    ) throws -> String {
        let path = "\(folder)/\(name)"
        if let secret = Files.read(path), secret.utf8.count >= 32 { return secret }
        let secret = SymmetricKey(size: .bits256).withUnsafeBytes(text)
        try Files.write(secret, to: path, mode: 0o600)
        return secret
    }
}
