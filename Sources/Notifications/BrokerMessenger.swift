package import Logging
package import MQTT

/// Publishes for the rest of this room, on a connection of its own that is made when it is needed.
package actor BrokerMessenger {
    private let publisher: Publisher
    private var isConnected = false

    /// - Parameter broker: how this instance reaches the broker; it comes in under another client id.
    package init(_ broker: Session.Configuration, logger: Logger) throws(MQTTError) {
        var broker = broker
        broker.clientID += "-notices"
        self.publisher = try Publisher(broker, logger: logger)
    }

    /// Returns when the broker has it.
    func publish(_ payload: [UInt8], to topic: String) async throws(MQTTError) {
        try await self.publish(Publication(payload, to: topic))
    }

    /// Returns when the broker has it; of one at QoS 0 when it is sent.
    func publish(_ publication: Publication) async throws(MQTTError) {
        do throws(MQTTError) {
            if !self.isConnected {
                try await self.publisher.connect()
                self.isConnected = true
            }
            try await self.publisher.publish(publication)
        } catch {
            // What the broker refuses on this topic says nothing about the connection.
            if error.kind != .refused { self.isConnected = false }
            throw error
        }
    }

    /// To be called every few seconds.
    ///
    /// - Throws: why the connection is gone, once; it is made again when it is needed.
    func keepAlive() async throws(MQTTError) {
        guard self.isConnected else { return }
        do throws(MQTTError) { try await self.publisher.keepAlive() } catch {
            self.isConnected = false
            throw error
        }
    }

    func disconnect() async {
        if self.isConnected { await self.publisher.disconnect() }
        self.isConnected = false
    }
}
