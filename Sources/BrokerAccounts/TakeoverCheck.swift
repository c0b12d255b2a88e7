internal import Domain
internal import Logging
internal import MQTT
internal import Values

/// Finds out whether a thing could take what the broker keeps for Hookline, by coming in with its own account under Hookline's
/// client id: as far as that can be found out from here.
struct TakeoverCheck {
    let broker: DynamicSecurity
    /// Where things come in, as far as that is known; what cannot be reached from here is passed over.
    let listeners: [Session.Configuration]
    let logger: Logger

    /// An account that may do nothing, and is there for as long as this takes.
    private static let probe = "hookline-probe"

    /// Says in the log what the broker should not do.
    func run() async throws {
        if try await self.broker.defaultAccess()["publishClientReceive"] == true {
            self.logger.warning("the broker lets accounts receive what they were given no right to")
        }
        guard !self.listeners.isEmpty else { return }
        let password = Secret("\(EntityID.random())\(EntityID.random())")
        try await self.broker.makeProbe(Self.probe, password: password)
        do {
            try await self.lookAtListeners(password)
        } catch {
            try await self.broker.removeProbe(Self.probe)
            throw error
        }
        try await self.broker.removeProbe(Self.probe)
    }

    private func lookAtListeners(_ password: Secret) async throws {
        for listener in self.listeners {
            do {
                if try await self.takesAnyName(listener, password) {
                    self.logger.warning(
                        "things may come in at the broker under any client id, Hookline's too",
                        metadata: ["broker": "\(listener.brokers[0])"])
                }
                return
            } catch let error as MQTTError where error.kind != .interrupted {
                self.logger.debug(
                    "things do not come in here", metadata: ["broker": "\(listener.brokers[0])", "error": "\(error)"])
            }
        }
        self.logger.info(
            "whether things may come in under any client id cannot be found out from here",
            metadata: ["tried": "\(self.listeners.map { "\($0.brokers[0])" }.joined(separator: ", "))"])
    }

    /// Whether two connections of one account live side by side under two client ids. Where the account's name is taken instead
    /// of them, the second ends the first.
    private func takesAnyName(_ listener: Session.Configuration, _ password: Secret) async throws -> Bool {
        let connections = try (0..<2).map { _ in
            var configuration = listener
            configuration.clientID = "\(Self.probe)-\(EntityID.random())"
            configuration.username = Self.probe
            configuration.password = password
            return try Publisher(configuration, logger: self.logger)
        }
        let isEnded: Bool
        do {
            for connection in connections { try await connection.connect() }
            isEnded = try await self.isEnded(connections[0])
        } catch {
            for connection in connections { await connection.disconnect() }
            throw error
        }
        for connection in connections { await connection.disconnect() }
        return !isEnded
    }

    private func isEnded(_ connection: Publisher) async throws -> Bool {
        for _ in 0..<10 {
            do throws(MQTTError) {
                try await connection.keepAlive()
            } catch {
                guard error.kind != .interrupted else { throw error }
                return true
            }
            try await Task.sleep(for: .milliseconds(100))
        }
        return false
    }
}

extension DynamicSecurity {
    /// What accounts may do that no rule says anything of, by its kind.
    fileprivate func defaultAccess() async throws -> [String: Bool] {
        let access = try await self.run([Command("getDefaultACLAccess")]).first?.data?.acls ?? []
        return Dictionary(access.map { ($0.acltype, $0.allow) }) { first, _ in first }
    }

    /// In place of one that was left behind.
    fileprivate func makeProbe(_ name: String, password: Secret) async throws {
        var make = Command("createClient")
        make.username = name
        make.password = password.reveal()
        make.textdescription = "hookline looks at the broker"
        _ = try await self.run([Self.removal(of: name), make], ignoring: Self.alreadyGone)
    }

    fileprivate func removeProbe(_ name: String) async throws {
        _ = try await self.run([Self.removal(of: name)], ignoring: Self.alreadyGone)
    }

    private static func removal(of name: String) -> Command {
        var remove = Command("deleteClient")
        remove.username = name
        return remove
    }
}
