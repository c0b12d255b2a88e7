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
    /// Called on the way: if a connection has to be opened, and if the receiver would have it go elsewhere.
    func progressed(_ step: ConnectionStep)
    /// Whether more than the beginning of the answer is needed. If not, its status is the answer, and its body has a while
    /// to come (``ClientConfiguration/bodyTimeout``).
    var needsBody: Bool { get }
    /// Whether headers of the answer are kept whatever its status is; of one that is no success they always are.
    var wantsHeaders: Bool { get }
    /// Called before ``ended(_:)``, if the body is not needed and takes its time.
    ///
    /// - Parameter time: when the status was in.
    func answered(status: Int, at time: NIODeadline)
}

extension PendingRequest {
    package func progressed(_ step: ConnectionStep) {}
    package var needsBody: Bool { true }
    package var wantsHeaders: Bool { false }
    package func answered(status: Int, at time: NIODeadline) {}
}

/// What has been done to open a connection, and what came of it.
package enum ConnectionStep: Sendable {
    /// The host's addresses, as text.
    case resolved([String])
    /// All of them may be connected to.
    case permitted
    case connected(String)
    /// The TLS handshake is done.
    case secured
    /// The answer is a redirection, which is not followed. It leads to what the receiver says, as it says it.
    case redirected(String)
    /// The answer is there, and this is kept of its headers.
    case headed(AnswerHeaders)
    /// The answer's body is not as the receiver meant it.
    case faulty(AnswerMeaning.BodyFault)
}

/// What all connections of a process are made with.
package struct ClientConfiguration: Sendable {
    package var addressGuard = AddressGuard()
    package var connectTimeout: TimeAmount = .seconds(5)
    /// From the request's last byte to the response's first.
    package var firstByteTimeout: TimeAmount = .seconds(15)
    /// A receiver that closes a kept connection because nothing comes has not seen the request that was on its way meanwhile, which is
    /// for no longer than this. Who had it for longer may have begun with it.
    package var crossing: TimeAmount = .seconds(5)
    /// The whole attempt, connecting included.
    package var totalTimeout: TimeAmount = .seconds(30)
    /// How long the body of an answer may take whose status is enough. It has a quarter of that if its end cannot be known
    /// but by the connection's, and again a quarter while others wait for the connection.
    package var bodyTimeout: TimeAmount = .seconds(4)
    /// How long an unused connection stays open.
    package var idleTimeout: TimeAmount = .seconds(55)
    /// How long a connection is used, however well it does: where its host leads to is looked up for new ones alone.
    package var connectionAge: TimeAmount = .minutes(10)
    /// How much of an answer's body is kept.
    package var keptBody = 4 * 1024
    /// nil where no webhook may use https (never in the service itself).
    package var tls: NIOSSLContext?
    /// Makes the contexts of those who have terms of their own; nil where nobody has.
    package var contexts: TLSContexts?
    /// How the requests of a pool that shares with nobody are secured; nil is as everywhere else.
    package var terms: TLSTerms?
    /// nil connects to receivers themselves.
    package var proxy: ForwardProxy?
    package var resolver: Resolver
    /// The group or org whose hosts these are: each has its part of the resolver's threads.
    package var owner: EntityID?

    package init(resolver: Resolver) {
        self.resolver = resolver
    }

    /// Verifies certificates against the system's roots.
    ///
    /// - Parameter minimum: the oldest version of TLS that is spoken. Those before 1.2 are deprecated (RFC 8996).
    package static func makeTLSContext(
        additionalRoots: [NIOSSLCertificate] = [], minimum: TLSVersion = .tlsv12
    ) throws -> NIOSSLContext {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = minimum
        tls.applicationProtocols = ["http/1.1"]
        if !additionalRoots.isEmpty { tls.additionalTrustRoots = [.certificates(additionalRoots)] }
        return try NIOSSLContext(configuration: tls)
    }
}

/// What one webhook sends by: connections to its origin, which it shares with others that lead there (``SharedConnections``).
///
/// It lives on one event loop: everything it does, and everything done to it, happens there, so it needs no lock.
/// Connections are opened when a request finds none idle; how many requests there may be at a time is the owner's
/// business, as far as there is room. Redirects are not followed: a 3xx is an answer like any other.
package final class ConnectionPool {
    let shared: SharedConnections
    let origin: Origin
    let keptBody: Int
    private let addressGuard: AddressGuard
    /// The group or org whose requests these are.
    let owner: EntityID?
    /// Requests under way.
    package internal(set) var busy = 0
    /// Since when it has been in line for a connection, until it makes use of its turn; nil if it is not.
    package internal(set) var waitsSince: NIODeadline?
    /// Whether its owner has more to send than may be under way. Bodies of answers are not waited for as long then.
    package var isPressed = false
    /// Told when its turn has come, with ``hasRoom`` until it has been asked; nil has it wait for nothing.
    package var onTurn: (() -> Void)?
    var standing = Standing.other
    private var sharesWithNobody = false
    private var isClosed = false
    private var hasLeft = false

    /// - Parameters:
    ///   - allowedNetworks: what may be reached beyond what the connections' guard permits.
    ///   - terms: how its connections are secured; nil is as everywhere else.
    ///   - keptBody: how much of an answer's body is kept.
    package init(
        url: WebhookURL, allowedNetworks: [Network] = [], terms: TLSTerms? = nil, keptBody: Int, owner: EntityID?,
        of shared: SharedConnections
    ) {
        self.shared = shared
        self.origin = shared.origin(
            at: Place(
                isTLS: url.isTLS, host: url.host, port: url.port, allowedNetworks: allowedNetworks,
                terms: url.isTLS ? terms : nil))
        self.keptBody = keptBody
        self.addressGuard = shared.configuration.addressGuard.allowing(allowedNetworks)
        self.owner = owner
    }

    /// One that shares with nobody.
    package convenience init(url: WebhookURL, eventLoop: any EventLoop, configuration: ClientConfiguration) {
        self.init(
            url: url, terms: configuration.terms, keptBody: configuration.keptBody, owner: configuration.owner,
            of: SharedConnections(eventLoop: eventLoop, configuration: configuration, limits: ConnectionLimits()))
        self.sharesWithNobody = true
    }

    /// Whether a request may go out now. If not, ``onTurn`` is called when one may, or the end of one that is under way is the
    /// time to ask again.
    package var hasRoom: Bool { self.shared.hasRoom(for: self) }

    /// Sends a request on an idle connection, or on one opened for it. There is to be room for it.
    package func execute(_ request: any PendingRequest, now: NIODeadline) {
        guard !self.isClosed else { return request.ended(.failure(.cancelled)) }
        self.isPressed = false
        self.shared.begins(self)
        let deadline = now + self.shared.configuration.totalTimeout
        if let connection = self.origin.takeIdle(for: self.owner, now: now) {
            connection.send(request, of: self, now: now, deadline: deadline)
        } else {
            self.open(for: request, now: now, deadline: deadline)
        }
    }

    /// Of a pool that shares with nobody; see ``SharedConnections/checkDeadlines(now:)``.
    package func checkDeadlines(now: NIODeadline) {
        self.shared.checkDeadlines(now: now)
    }

    /// Requests under way end as cancelled; connections stay for the others, if there can be any.
    package func close() {
        self.isClosed = true
        if self.sharesWithNobody { self.shared.close() } else { self.shared.cancel(self) }
        self.retire()
    }

    /// No more requests; those under way come to their end.
    package func retire() {
        self.onTurn = nil
        guard !self.hasLeft else { return }
        self.hasLeft = true
        self.shared.leave(self.origin)
    }

    /// The peer closed a kept connection just as it was used again. Nothing was answered, so nothing has failed yet:
    /// the request goes out once more, on a fresh connection.
    func resend(_ request: any PendingRequest, now: NIODeadline, deadline: NIODeadline) {
        guard !self.isClosed else {
            self.shared.ended(self, .other)
            return request.ended(.failure(.cancelled))
        }
        self.open(for: request, now: now, deadline: deadline)
    }

    // MARK: Opening

    private func open(for request: any PendingRequest, now: NIODeadline, deadline: NIODeadline) {
        let connection = HTTPConnection(pool: self, request: request, now: now, deadline: deadline)
        self.shared.opened(connection)
        let place = self.origin.place
        self.shared.configuration.resolver.resolve(
            place.host, port: place.port, for: self.owner, on: self.shared.eventLoop
        ).assumeIsolated().whenSuccess { answer in
            connection.isResolved = true
            switch answer {
            case .success(let addresses):
                connection.progressed(.resolved(addresses.map { $0.ipAddress ?? "\($0)" }))
                self.connect(connection, to: addresses)
            case .failure(.noSuchHost(let why)): connection.fail(.dns(FailureWords.notFound(place.host, why)))
            // Nothing is known of the host, whoever's fault that is.
            case .failure(.unanswered(let why)): connection.fail(.nameServer(FailureWords.notLookedUp(place.host, why)))
            }
        }
    }

    /// Checks every address before the first is used, whenever they were looked up: a name that also points inside is
    /// not to be trusted at all.
    private func connect(_ connection: HTTPConnection, to addresses: [SocketAddress]) {
        guard !addresses.isEmpty else {
            return connection.fail(.dns(FailureWords.notFound(self.origin.place.host, "it has no address")))
        }
        for address in addresses {
            guard let bits = IPAddress(address), self.addressGuard.permits(bits) else {
                return connection.fail(.forbiddenAddress(address.ipAddress ?? "\(address)"))
            }
        }
        connection.progressed(.permitted)
        self.makeReady(connection) {
            if let proxy = self.shared.configuration.proxy, proxy.leads(to: self.origin.place, at: addresses) {
                self.connect(connection, to: addresses[...], by: proxy)
            } else {
                self.connect(connection, toOneOf: addresses)
            }
        }
    }

    /// Has what secures the connection at hand before there is one.
    private func makeReady(_ connection: HTTPConnection, _ next: @escaping () -> Void) {
        guard self.origin.place.isTLS else { return next() }
        let configuration = self.shared.configuration
        guard let terms = self.origin.place.terms else {
            connection.secureContext = configuration.tls
            return next()
        }
        guard let contexts = configuration.contexts else { return connection.fail(.tls(FailureWords.noContext)) }
        contexts.context(for: terms, on: self.shared.eventLoop).assumeIsolated().whenComplete { result in
            switch result {
            case .success(let context):
                connection.secureContext = context
                next()
            // It was checked when it was saved.
            case .failure: connection.fail(.tls(FailureWords.unusableTerms))
            }
        }
    }

    private func connect(_ connection: HTTPConnection, toOneOf addresses: [SocketAddress]) {
        self.race(for: connection, to: addresses) { ending in
            switch ending {
            case .connected(let channel, let address):
                connection.progressed(.connected(address.ipAddress ?? "\(address)"))
                self.start(connection, on: channel)
            case .failed(_, let error) where error is ChannelError: connection.fail(.timeout(.connect))
            case .failed(let address, let error):
                connection.fail(.connect(FailureWords.connecting(to: FailureWords.address(address), error)))
            }
        }
    }

    var bootstrap: ClientBootstrap {
        ClientBootstrap(group: self.shared.eventLoop)
            .connectTimeout(self.shared.configuration.connectTimeout)
            // A response is small and comes alone: one read, into a buffer that fits, without asking again.
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 4_096))
    }

    /// Begins with the receiver, who is reached by this channel.
    func start(_ connection: HTTPConnection, on channel: any Channel) {
        guard !connection.isEnded else { return channel.close(promise: nil) }
        do {
            if self.origin.place.isTLS {
                guard let context = connection.secureContext else {
                    channel.close(promise: nil)
                    return connection.fail(.tls(FailureWords.noContext))
                }
                // A literal address has no name to send; the certificate must then name the address.
                let isLiteral = IPAddress(self.origin.place.host) != nil
                let handler = try NIOSSLClientHandler(
                    context: context, serverHostname: isLiteral ? nil : self.origin.place.host)
                try channel.pipeline.syncOperations.addHandler(handler)
                connection.tls = handler
            }
            try channel.pipeline.syncOperations.addHandler(connection)
        } catch {
            connection.fail(.tls(FailureWords.securing(error, certificate: nil, host: self.origin.place.host)))
            channel.close(promise: nil)
        }
    }
}
