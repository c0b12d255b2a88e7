internal import MQTT

extension ServiceConfiguration {
    /// Where things come in at the broker: at the address that they are told, or at its port where Hookline finds the broker,
    /// because that address may mean something else from here.
    ///
    /// - Returns: how each is connected to. None if it asks for TLS, and there is no authority to check it by.
    static func listeners(_ publicURL: String, like broker: Session.Configuration) -> [Session.Configuration] {
        let hasTLS = publicURL.hasPrefix("mqtts://")
        guard !hasTLS || broker.tlsCAFile != nil,
            let told = BrokerAddress(
                String(publicURL.drop { $0 != "/" }.dropFirst(2)), defaultPort: hasTLS ? 8_883 : 1_883)
        else { return [] }
        var addresses = [told]
        for host in broker.brokers.map(\.host) where !addresses.contains(where: { $0.host == host }) {
            addresses.append(BrokerAddress(host: host, port: told.port))
        }
        return addresses.map { address in
            var listener = broker
            listener.brokers = [address]
            listener.tlsCAFile = hasTLS ? broker.tlsCAFile : nil
            listener.connectTimeout = .seconds(2)
            return listener
        }
    }
}
