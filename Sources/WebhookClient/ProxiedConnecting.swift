internal import Domain
internal import NIOCore

/// Connecting to a receiver by a proxy.
extension ConnectionPool {
    /// - Parameter addresses: the receiver's, all of which may be connected to. The proxy is asked for one after the other.
    func connect(_ connection: HTTPConnection, to addresses: ArraySlice<SocketAddress>, by proxy: ForwardProxy) {
        connection.isAtProxy = true
        // The operator has said where it is, so it is neither guarded nor a group's.
        self.shared.configuration.resolver.resolve(
            proxy.host, port: proxy.port, for: nil, on: self.shared.eventLoop
        ).assumeIsolated().whenSuccess { answer in
            switch answer {
            case .success(let found) where !found.isEmpty:
                self.connect(connection, toProxyAt: found, proxy, addresses)
            case .success: connection.fail(.proxy(FailureWords.notFound(proxy.host, "it has no address")))
            case .failure(.noSuchHost(let why)):
                connection.fail(.proxy("DELIVERY_PROXY: \(FailureWords.notFound(proxy.host, why))"))
            case .failure(.unanswered(let why)):
                connection.fail(.proxy("DELIVERY_PROXY: \(FailureWords.notLookedUp(proxy.host, why))"))
            }
        }
    }

    private func connect(
        _ connection: HTTPConnection, toProxyAt found: [SocketAddress], _ proxy: ForwardProxy,
        _ addresses: ArraySlice<SocketAddress>
    ) {
        self.race(for: connection, to: found) { ending in
            switch ending {
            case .connected(let channel, _): self.ask(proxy, on: channel, connection, addresses)
            case .failed(_, let error) where error is ChannelError: connection.fail(.proxy(FailureWords.silentProxy))
            case .failed(let address, let error):
                let why = FailureWords.connecting(to: FailureWords.address(address), error)
                connection.fail(.proxy("DELIVERY_PROXY: \(why)"))
            }
        }
    }

    private func ask(
        _ proxy: ForwardProxy, on channel: any Channel, _ connection: HTTPConnection,
        _ addresses: ArraySlice<SocketAddress>
    ) {
        guard let address = addresses.first, !connection.isEnded else { return channel.close(promise: nil) }
        let place = self.origin.place
        let target =
            switch proxy.target {
            case .address: FailureWords.address(address)
            case .name: place.host.contains(":") ? "[\(place.host)]:\(place.port)" : "\(place.host):\(place.port)"
            }
        connection.way = channel
        let handshake = ProxyHandshake(target: target, authorization: proxy.authorization) { answer in
            self.answered(answer, proxy, on: channel, connection, addresses)
        }
        do { try channel.pipeline.syncOperations.addHandler(handshake) } catch {
            channel.close(promise: nil)
            connection.fail(.proxy(FailureWords.closedByProxy))
        }
    }

    private func answered(
        _ answer: ProxyAnswer?, _ proxy: ForwardProxy, on channel: any Channel, _ connection: HTTPConnection,
        _ addresses: ArraySlice<SocketAddress>
    ) {
        guard let address = addresses.first, !connection.isEnded else { return channel.close(promise: nil) }
        guard let answer else { return connection.fail(.proxy(FailureWords.closedByProxy)) }
        if answer.isOpen {
            connection.isAtProxy = false
            connection.progressed(.connected("\(address.ipAddress ?? "\(address)") by the proxy"))
            return self.start(connection, on: channel)
        }
        connection.way = nil
        channel.close(promise: nil)
        guard answer.isOfReceiver, let status = answer.status else {
            return connection.fail(
                .proxy(answer.status.map(FailureWords.refusedByProxy) ?? FailureWords.strangeProxy))
        }
        // By its name it has been looked for at all of them.
        guard proxy.target == .address, addresses.count > 1 else {
            let receiver = proxy.target == .address ? FailureWords.address(address) : self.origin.place.host
            return connection.fail(.connect("the proxy does not get to \(receiver): \(status)"))
        }
        self.connect(connection, to: addresses.dropFirst(), by: proxy)
    }
}
