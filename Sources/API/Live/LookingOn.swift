internal import Domain
internal import Logging
internal import MQTT

extension Session {
    /// Comes in beside the service's own session to look on, under a client id of its own that the broker forgets at once, and says
    /// goodbye however it ends.
    ///
    /// - Parameters:
    ///   - broker: how this instance reaches the broker.
    ///   - purpose: what tells these from others, in the client id.
    ///   - failing: what a connection that could not be made is told as.
    static func lookingOn<Found>(
        at broker: Configuration, for purpose: String, _ filters: [String] = [], following: [NumberedFilter] = [],
        logger: Logger, failing: (MQTTError) -> any Error, _ look: (Session) async throws -> Found
    ) async throws -> Found {
        var broker = broker
        broker.clientID += "-\(purpose)-\(EntityID.random())"
        broker.isTransient = true
        broker.topicFilters = filters
        broker.receiveMaximum = 1_000
        let session: Session
        do throws(MQTTError) {
            session = try Session(broker, logger: logger)
            try await session.connect(following: following)
        } catch {
            throw failing(error)
        }
        do {
            let found = try await look(session)
            await session.disconnect(acknowledging: true)
            return found
        } catch {
            await session.disconnect(acknowledging: true)
            throw error
        }
    }
}
