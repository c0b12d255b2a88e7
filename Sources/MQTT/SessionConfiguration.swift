package import Values

extension Session {
    package struct Configuration: Sendable {
        /// Not empty. They are one broker: what is kept for a client id is taken to be the same at all of them.
        package var brokers: [BrokerAddress]
        /// Stable over restarts: the broker keeps the session under this name.
        package var clientID: String
        package var username: String?
        package var password: Secret?
        package var tlsCAFile: String?
        /// What a broker that asks for one knows this client by; with ``tlsCAFile`` alone.
        package var certificate: Certificate?
        /// What to subscribe to, `$share/…` included.
        package var topicFilters: [String]
        /// How many messages the broker may send ahead of our acknowledgements; at least two batches.
        package var receiveMaximum = 4_000
        /// After how long without traffic the broker is asked whether it is there. It ends a connection from which it
        /// has heard nothing for half as long again.
        package var keepalive: Duration = .seconds(15)
        /// How long it may take to answer then. So a silent broker is noticed in ``keepalive`` and this.
        package var answerPatience: Duration = .seconds(5)
        /// How long the broker keeps the session, and what is queued in it, while nobody is connected.
        package var sessionExpiry: Duration = .seconds(7 * 86_400)
        /// For each of ``brokers``, from the name to the confirmed subscription; and for each answer after that.
        package var connectTimeout: Duration = .seconds(10)
        /// How long the broker may take to read the last acknowledgements before the connection is closed.
        package var farewell: Duration = .seconds(3)
        /// Whether the broker forgets the session when the connection ends.
        package var isTransient = false
        /// Whether it speaks MQTT 3.1.1, to find out whether the broker does: there are no properties then, and nothing else here
        /// works with it.
        var isFormerVersion = false

        /// How long messages may be held unacknowledged. Meanwhile nothing can be sent, for a ping would go out behind
        /// the acknowledgements; what was sent last may be as old as ``keepalive``, and the broker waits 1.5 times that.
        package var longestHold: Duration { Self.longestHold(at: self.keepalive) }

        static func longestHold(at keepalive: Duration) -> Duration { keepalive / 2 - .milliseconds(1_500) }

        /// PEM files, which are read anew for each connection. The key has no passphrase.
        package struct Certificate: Sendable {
            package let file: String
            package let keyFile: String

            package init(file: String, keyFile: String) {
                self.file = file
                self.keyFile = keyFile
            }
        }

        package init(host: String, port: Int, clientID: String, topicFilters: [String]) {
            self.init(
                brokers: [BrokerAddress(host: host, port: port)], clientID: clientID, topicFilters: topicFilters)
        }

        package init(brokers: [BrokerAddress], clientID: String, topicFilters: [String]) {
            self.brokers = brokers
            self.clientID = clientID
            self.topicFilters = topicFilters
        }
    }
}
