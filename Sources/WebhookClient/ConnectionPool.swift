package import Domain
package import NIOCore
internal import NIOPosix
package import NIOSSL

/// One request on its way: what to send, and whom to tell.
///
/// A class-bound protocol instead of a closure, so that sending allocates nothing beyond the request itself.
package protocol PendingRequest: AnyObject {
    /// Writes request line, headers, the empty line and the body. Called again if the request is sent a second time.
    func encode(into buffer: inout ByteBuffer)
    /// Called once, on the pool's event loop.
    func ended(_ outcome: Outcome)
    /// Called on the way, if a connection has to be opened.
    func progressed(_ step: ConnectionStep)
}

extension PendingRequest {
    package func progressed(_ step: ConnectionStep) {}
}

/// What has been done to open a connection.
package enum ConnectionStep: Sendable {
    /// The host's addresses, as text.
    case resolved([String])
    /// All of them may be connected to.
    case permitted
    case connected(String)
    /// The TLS handshake is done.
    case secured
}

/// What all pools share.
package struct ClientConfiguration: Sendable {
    package var addressGuard = AddressGuard()
    package var connectTimeout: TimeAmount = .seconds(5)
    /// From the request's last byte to the response's first.
    package var firstByteTimeout: TimeAmount = .seconds(15)
    /// The whole attempt, connecting included.
    package var totalTimeout: TimeAmount = .seconds(30)
    /// How long an unused connection stays open.
    package var idleTimeout: TimeAmount = .seconds(55)
    /// How much of an answer's body is kept.
    package var keptBody = 4 * 1024
    /// nil where no webhook may use https (never in the service itself).
    package var tls: NIOSSLContext?
    package var resolver: Resolver
    /// The group or org whose hosts these are: each has its part of the resolver's threads.
    package var owner: EntityID?

    package init(resolver: Resolver) {
        self.resolver = resolver
    }

    /// Verifies certificates against the system's roots.
    package static func makeTLSContext(additionalRoots: [NIOSSLCertificate] = []) throws -> NIOSSLContext {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.applicationProtocols = ["http/1.1"]
        if !additionalRoots.isEmpty { tls.additionalTrustRoots = [.certificates(additionalRoots)] }
        return try NIOSSLContext(configuration: tls)
    }
}

/// Keep-alive connections to one origin, for one webhook.
///
/// It lives on one event loop: everything it does, and everything done to it, happens there, so it needs no lock.
/// Connections are opened when a request finds none idle; how many requests there may be at a time is the owner's
/// business. Redirects are not followed: a 3xx is an answer like any other.
package final class ConnectionPool {
    private let url: WebhookURL
    private let eventLoop: any EventLoop
    let configuration: ClientConfiguration
    /// The most recently used last, so that a quiet webhook's spare connections grow old and are closed.
    private var idle: [HTTPConnection] = []
    private var busy: [ObjectIdentifier: HTTPConnection] = [:]
    private var isClosed = false

    package init(url: WebhookURL, eventLoop: any EventLoop, configuration: ClientConfiguration) {
        self.url = url
        self.eventLoop = eventLoop
        self.configuration = configuration
    }

    package var openCount: Int { self.idle.count + self.busy.count }

    /// Sends a request on an idle connection, or on one opened for it.
    package func execute(_ request: any PendingRequest, now: NIODeadline) {
        guard !self.isClosed else { return request.ended(.failure(.cancelled)) }
        if let connection = self.idle.popLast() {
            self.busy[ObjectIdentifier(connection)] = connection
            connection.send(request, now: now, deadline: now + self.configuration.totalTimeout)
        } else {
            self.open(for: request, now: now, deadline: now + self.configuration.totalTimeout)
        }
    }

    /// Ends what has run out of time. To be called a few times a second: one look over the busy connections costs
    /// less than a timer per request.
    package func checkDeadlines(now: NIODeadline) {
        for connection in self.busy.values { connection.checkDeadlines(now: now) }
        while let oldest = self.idle.first, oldest.idleSince + self.configuration.idleTimeout < now {
            self.idle.removeFirst()
            oldest.close()
        }
    }

    /// Closes everything; requests under way end as cancelled.
    package func close() {
        self.isClosed = true
        for connection in self.idle { connection.close() }
        self.idle = []
        for connection in self.busy.values { connection.cancel() }
    }

    // MARK: Called by connections

    func becameIdle(_ connection: HTTPConnection) {
        self.busy[ObjectIdentifier(connection)] = nil
        if self.isClosed { connection.close() } else { self.idle.append(connection) }
    }

    func closed(_ connection: HTTPConnection) {
        if self.busy.removeValue(forKey: ObjectIdentifier(connection)) == nil {
            self.idle.removeAll { $0 === connection }
        }
    }

    /// The peer closed a kept connection just as it was used again. Nothing was answered, so nothing has failed yet:
    /// the request goes out once more, on a fresh connection.
    func resend(_ request: any PendingRequest, now: NIODeadline, deadline: NIODeadline) {
        guard !self.isClosed else { return request.ended(.failure(.cancelled)) }
        self.open(for: request, now: now, deadline: deadline)
    }

    // MARK: Opening

    private func open(for request: any PendingRequest, now: NIODeadline, deadline: NIODeadline) {
        let connection = HTTPConnection(pool: self, request: request, now: now, deadline: deadline)
        self.busy[ObjectIdentifier(connection)] = connection
        self.configuration.resolver.resolve(
            self.url.host, port: self.url.port, for: self.configuration.owner, on: self.eventLoop
        ).assumeIsolated().whenSuccess { answer in
            connection.isResolved = true
            switch answer {
            case .success(let addresses):
                connection.progressed(.resolved(addresses.map { $0.ipAddress ?? "\($0)" }))
                self.connect(connection, to: addresses)
            case .failure(.noSuchHost(let why)): connection.fail(.dns("\(self.url.host): \(why)"))
            case .failure(.unanswered(let why)): connection.fail(self.nameServerFailure(why))
            }
        }
    }

    /// Nothing is known of the host, whoever's fault that is.
    func nameServerFailure(_ why: String) -> Outcome.Failure {
        .nameServer("\(self.url.host): \(why)")
    }

    /// Checks every address before the first is used, whenever they were looked up: a name that also points inside is
    /// not to be trusted at all.
    private func connect(_ connection: HTTPConnection, to addresses: [SocketAddress]) {
        guard !addresses.isEmpty else { return connection.fail(.dns("\(self.url.host) has no address")) }
        for address in addresses {
            guard let bits = IPAddress(address), self.configuration.addressGuard.permits(bits) else {
                return connection.fail(.forbiddenAddress(address.ipAddress ?? "\(address)"))
            }
        }
        connection.progressed(.permitted)
        self.connect(connection, toFirstOf: addresses[...])
    }

    private func connect(_ connection: HTTPConnection, toFirstOf addresses: ArraySlice<SocketAddress>) {
        guard let address = addresses.first, !connection.isEnded else { return }
        ClientBootstrap(group: self.eventLoop)
            .connectTimeout(self.configuration.connectTimeout)
            // A response is small and comes alone: one read, into a buffer that fits, without asking again.
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 4_096))
            .connect(to: address)
            .assumeIsolated().whenComplete { result in
                switch result {
                case .success(let channel):
                    connection.progressed(.connected(address.ipAddress ?? "\(address)"))
                    self.start(connection, on: channel)
                case .failure(let error) where addresses.count == 1:
                    connection.fail(
                        error is ChannelError ? .timeout(.connect) : .connect("\(address): \(shortReason(error))"))
                case .failure: self.connect(connection, toFirstOf: addresses.dropFirst())
                }
            }
    }

    private func start(_ connection: HTTPConnection, on channel: any Channel) {
        guard !connection.isEnded else { return channel.close(promise: nil) }
        do {
            if self.url.isTLS {
                guard let context = self.configuration.tls else { return connection.fail(.tls("is not set up")) }
                // A literal address has no name to send; the certificate must then name the address.
                let isLiteral = IPAddress(self.url.host) != nil
                let handler = try NIOSSLClientHandler(
                    context: context, serverHostname: isLiteral ? nil : self.url.host)
                try channel.pipeline.syncOperations.addHandler(handler)
            }
            try channel.pipeline.syncOperations.addHandler(connection)
        } catch {
            connection.fail(.tls(shortReason(error)))
            channel.close(promise: nil)
        }
    }
}

/// What an error says, without the wrapping.
func shortReason(_ error: any Error) -> String {
    if let error = error as? IOError { return error.description }
    return String(String(describing: error).prefix(200))
}
