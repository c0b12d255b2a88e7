internal import Domain
internal import NIOCore
internal import NIOSSL
internal import NIOTLS

#if canImport(Glibc)
internal import Glibc
#endif

/// One connection, and the request it carries: HTTP/1.1 without pipelining.
///
/// The handler is the state: no codec in front of it turns bytes into parts and back, and a request that finds the
/// connection open costs one write and one read.
final class HTTPConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let shared: SharedConnections
    let origin: Origin
    /// Whose request it carries; nil while it is idle.
    private var pool: ConnectionPool?
    /// The group or org whose request it carries, or carried last.
    private(set) var owner: EntityID?
    /// Its place among all connections of the loop.
    var index: Int?
    private var context: ChannelHandlerContext?
    private var request: (any PendingRequest)?
    private var parser: ResponseParser
    private var outgoing = ByteBuffer()
    private var deadline: NIODeadline
    /// When the request was written; nil while connecting.
    private var sentAt: NIODeadline?
    private var connectStarted: NIODeadline
    /// Whether the host's addresses are known. Until then nothing is the receiver's fault.
    var isResolved = false
    /// Whether a response has come before the one under way.
    private var isReused = false
    private var failure: Outcome.Failure?
    private var isReset = false
    /// What secures it, if something does.
    var tls: NIOSSLClientHandler?
    /// What it is to be secured by.
    var secureContext: NIOSSLContext?
    /// The way to the receiver while somebody on it is still being talked to; nil when it is the receiver.
    var way: (any Channel)?
    /// Whether it is the proxy that is waited for. Until it has done its part nothing is the receiver's fault.
    var isAtProxy = false
    private var isSecured = false
    /// Whether the request waits for the handshake. The receiver has nothing of it yet.
    private var isSecuring: Bool { self.tls != nil && !self.isSecured }
    /// Since when the rest of an answer is waited for, whose status is in.
    private var restSince: NIODeadline?
    private var restNotice: Scheduled<Void>?
    /// How much of an answer that has not come to its end is in memory, and since when there is some.
    private var held = 0
    private var heldSince = NIODeadline.distantPast
    /// How often what has come of this answer was acknowledged at once.
    private var acknowledgements = 0
    /// Whether the connection is good for another request once the rest of this one has gone out, whose answer is in; nil if there
    /// is no such rest.
    private var isGoodBehindRest: Bool?
    /// How much of that rest there was at the last look.
    private var unsent = 0
    /// Whether an answer has come to its end since the last look at the socket.
    private var hasCompleted = false
    private(set) var idleSince: NIODeadline
    private(set) var isEnded = false

    init(pool: ConnectionPool, request: any PendingRequest, now: NIODeadline, deadline: NIODeadline) {
        self.shared = pool.shared
        self.origin = pool.origin
        self.pool = pool
        self.owner = pool.owner
        var parser = ResponseParser()
        parser.keep(pool.keptBody, headers: request.wantsHeaders)
        self.parser = parser
        self.request = request
        self.connectStarted = now
        self.deadline = deadline
        self.idleSince = now
    }

    // MARK: Requests

    var isIdle: Bool { self.pool == nil }
    func isCarrying(for pool: ConnectionPool) -> Bool { self.pool === pool }

    /// - Parameter pool: whose request it is from now on; not always the one whose was the last.
    func send(_ request: any PendingRequest, of pool: ConnectionPool, now: NIODeadline, deadline: NIODeadline) {
        self.pool = pool
        self.owner = pool.owner
        self.parser.keep(pool.keptBody, headers: request.wantsHeaders)
        self.request = request
        self.deadline = deadline
        self.isReused = true
        self.write(now: now)
    }

    private func write(now: NIODeadline) {
        guard let context = self.context, let request = self.request else { return }
        self.outgoing.clear()
        request.encode(into: &self.outgoing)
        self.sentAt = now
        self.unsent = .max
        self.acknowledgements = 0
        context.writeAndFlush(self.wrapOutboundOut(self.outgoing), promise: nil)
    }

    func progressed(_ step: ConnectionStep) {
        self.request?.progressed(step)
    }

    func checkDeadlines(now: NIODeadline) {
        guard self.request != nil else { return }
        if let context, self.isTakenEarly(context) { self.followRest(context, now: now) }
        if now >= self.deadline {
            // A status that is in stands, however long the body takes: the receiver has decided.
            if self.parser.hasStatus {
                self.completeWithoutRest(now: now)
            } else {
                self.timeOut(self.isSecuring ? .handshake : .whole)
            }
        } else if let restSince = self.restSince, let restTimeout = self.restTimeout, now >= restSince + restTimeout {
            self.completeWithoutRest(now: now)
        } else if self.holdsTooMuch(now) {
            self.endUnfinished()
        } else if let sentAt = self.sentAt {
            // A line may be slow, and a body large: the receiver cannot answer before it has it.
            if !self.isSecuring, !self.parser.hasBegun, let context, self.hasUnsent(context) {
                return self.sentAt = now
            }
            if !self.parser.hasBegun && now >= sentAt + self.shared.configuration.firstByteTimeout {
                self.fail(.timeout(self.isSecuring ? .handshake : .firstByte))
            }
        } else if now >= self.connectStarted + self.shared.configuration.connectTimeout * 2 {
            // Connecting has a timeout of its own for each address; this one bounds resolving and all of them.
            self.timeOut(.connect)
        }
    }

    /// Of the answer, or of the request that it is an answer to.
    private func completeWithoutRest(now: NIODeadline) {
        self.complete(canReuse: false, brokeOff: self.parser.isFramed && self.isGoodBehindRest == nil, now: now)
    }

    private func timeOut(_ phase: Outcome.Phase) {
        if self.isAtProxy { return self.fail(.proxy(FailureWords.silentProxy)) }
        self.fail(
            self.isResolved
                ? .timeout(phase)
                : .nameServer(
                    FailureWords.notLookedUp(self.origin.place.host, "the name server does not answer in time")))
    }

    /// Nobody waits any longer. A status that is in is an answer all the same.
    func cancel() {
        if self.parser.hasStatus { self.complete(canReuse: false, now: .now()) } else { self.fail(.cancelled) }
    }

    func close() {
        self.isEnded = true
        self.context?.close(promise: nil)
        self.way?.close(promise: nil)
        self.way = nil
    }

    /// Ends the request without an answer, and the connection with it.
    func fail(_ failure: Outcome.Failure) {
        guard !self.isEnded else { return }
        self.leavePool(.other)
        self.drop()
        self.end(with: .failure(failure))
    }

    /// Nobody uses it any more.
    private func drop() {
        self.close()
        self.shared.closed(self)
    }

    private func leavePool(_ standing: Standing) {
        self.holdNoMore()
        guard let pool = self.pool else { return }
        self.pool = nil
        self.shared.ended(pool, standing)
    }

    /// - Parameter brokeOff: whether more of the body was to come.
    private func complete(canReuse: Bool, brokeOff: Bool = false, now: NIODeadline) {
        self.hasCompleted = true
        self.isGoodBehindRest = nil
        self.forgetRest()
        if (300..<400).contains(self.parser.status), let location = self.parser.location {
            self.progressed(.redirected(location))
        }
        if let headers = self.parser.headers { self.progressed(.headed(headers)) }
        if brokeOff { self.progressed(.faulty(.brokeOff)) }
        let outcome = Outcome.response(
            status: self.parser.status, body: self.readableBody(), retryAfter: self.parser.retryAfter)
        self.parser.reset()
        self.leavePool(.answering)
        if canReuse, now < self.connectStarted + self.shared.configuration.connectionAge {
            self.idleSince = now
            self.sentAt = nil
            self.shared.becameIdle(self)
        } else {
            self.drop()
        }
        self.end(with: outcome)
    }

    /// What is kept of the body, unpacked if it came packed.
    private func readableBody() -> [UInt8] {
        guard let coding = self.parser.coding, !self.parser.body.isEmpty else { return self.parser.body }
        let most = self.parser.keptBody
        if let body = BodyCoding.unpacked(self.parser.body, from: coding, most: most) {
            if body.isCutShort { self.progressed(.faulty(.brokeOff)) }
            return body.bytes
        }
        self.progressed(.faulty(.packed(coding)))
        return Array(self.parser.body.prefix(most))
    }

    private func end(with outcome: Outcome) {
        guard let request = self.request else { return }
        self.request = nil
        request.ended(outcome)
    }

    // MARK: The rest of an answer

    /// An answer that comes in pieces, one right behind the other, is soon over.
    private static let heldNoticedAfter = TimeAmount.seconds(1)

    private func holdMore() {
        let more = self.parser.held - self.held
        guard more > 0 else { return }
        if self.held == 0 { self.heldSince = .now() }
        self.held += more
        self.shared.unfinished.take(more, of: self.owner)
    }

    private func holdsTooMuch(_ now: NIODeadline) -> Bool {
        self.held > 0 && now >= self.heldSince + Self.heldNoticedAfter
            && self.shared.unfinished.isExceeded(by: self.owner)
    }

    private func holdNoMore() {
        guard self.held > 0 else { return }
        self.shared.unfinished.give(self.held, of: self.owner)
        self.held = 0
    }

    /// There is no room for what does not go on. A status is all that many ask for.
    private func endUnfinished() {
        guard self.isGoodBehindRest == nil else { return self.completeWithoutRest(now: .now()) }
        if self.parser.hasStatus, self.request?.needsBody == false {
            self.complete(canReuse: false, brokeOff: self.parser.isFramed, now: .now())
        } else {
            self.fail(.invalidResponse(FailureWords.noRoomForAnswer))
        }
    }

    /// A body that comes right behind its head is worth waiting for: the next request goes out on the same connection then,
    /// which is the only one that some receivers serve.
    private static let restNoticedAfter = TimeAmount.milliseconds(5)

    private func noteRest() {
        guard self.parser.hasStatus, let request = self.request, let context = self.context else { return }
        let isFirst = self.restSince == nil
        // Of a body that is needed it is the silence that counts.
        if isFirst || request.needsBody { self.restSince = .now() }
        guard isFirst, !request.needsBody else { return }
        self.restNotice = context.eventLoop.assumeIsolated().scheduleTask(in: Self.restNoticedAfter) {
            self.restNotice = nil
            guard let request = self.request, let since = self.restSince else { return }
            request.answered(status: self.parser.status, at: since)
        }
    }

    private func forgetRest() {
        guard self.restSince != nil else { return }
        self.restSince = nil
        self.restNotice?.cancel()
        self.restNotice = nil
    }

    /// How long the rest may take; nil is as long as the request.
    private var restTimeout: TimeAmount? {
        let timeout = self.shared.configuration.bodyTimeout
        // Of the request's.
        if self.isGoodBehindRest != nil { return timeout }
        if self.request?.needsBody != false { return self.parser.isFramed ? nil : timeout }
        if let context, self.isTakenEarly(context) { return timeout }
        let isPressed = self.pool?.isPressed == true || self.shared.isAnybodyWaiting
        return .nanoseconds(timeout.nanoseconds / (self.parser.isFramed ? 1 : 4) / (isPressed ? 4 : 1))
    }

    /// A receiver that writes its answer in pieces may send the next when it knows of the last (Nagle), and the kernel would
    /// keep that to itself for 40 ms. It does so again after every request, so it is told after every piece; but no more than a
    /// few times, for more than that is no longer about the end of an answer.
    private func acknowledgeAtOnce(_ context: ChannelHandlerContext) {
        #if os(Linux)
        guard self.acknowledgements < 8 else { return }
        self.acknowledgements += 1
        do {
            try context.channel.syncOptions?.setOption(
                .tcpOption(NIOBSDSocket.Option(rawValue: TCP_QUICKACK)), value: 1)
        } catch {
            // It is being closed, and that ends the request.
        }
        #endif
    }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.way = nil
        // The channel is connected already. With TLS in front the bytes wait there for the handshake.
        self.write(now: .now())
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        self.tls = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.isEnded else { return }
        guard self.request != nil else {
            // An answer to nothing. Whatever it is, it must not become the answer to the next request.
            return self.drop()
        }
        // More than the answer, while the request is still going out.
        guard self.isGoodBehindRest == nil else { return self.isGoodBehindRest = false }
        let buffer = self.unwrapInboundIn(data)
        do throws(ResponseParser.Malformed) {
            switch try self.parse(buffer) {
            case .needsMore:
                self.holdMore()
                self.noteRest()
            case .complete(let canReuse):
                if !canReuse, self.isTimedOut, self.sendAgain() { return }
                // 421 says that it is the wrong connection to ask on (RFC 9110, section 15.5.20).
                let isGood = canReuse && self.parser.status != 421
                guard self.hasUnsent(context) else { return self.complete(canReuse: isGood, now: .now()) }
                // Who takes it before all of it has come may well be reading it.
                guard (200..<300).contains(self.parser.status) else {
                    return self.complete(canReuse: false, now: .now())
                }
                self.sendRest(context, isGoodThen: isGood)
            case .bodyTooLarge: self.complete(canReuse: false, now: .now())
            }
        } catch {
            self.fail(.invalidResponse(error.rawValue))
        }
    }

    /// Whether some of the request is still to go out. Who has answered without it may never read it, and the next request would
    /// wait behind it (RFC 9112, section 9.3).
    private func hasUnsent(_ context: ChannelHandlerContext) -> Bool {
        // A small one has gone out as it was written, and most are small.
        self.outgoing.readableBytes > Self.sentAtOnce && self.unsentBytes(context) > 0
    }

    private func unsentBytes(_ context: ChannelHandlerContext) -> Int {
        // A channel that cannot say may have some of it.
        do { return try context.channel.syncOptions?.getOption(.bufferedWritableBytes) ?? .max } catch { return .max }
    }

    /// Waits until all of the request has gone out, for as long as it goes on.
    private func sendRest(_ context: ChannelHandlerContext, isGoodThen: Bool) {
        self.isGoodBehindRest = isGoodThen
        self.noteRest()
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenSuccess {
            guard let isGood = self.isGoodBehindRest else { return }
            self.complete(canReuse: isGood, now: .now())
        }
        // It goes out behind what is there already.
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer()), promise: promise)
    }

    /// Whether some of a request is still to go out to who says that they take it.
    private func isTakenEarly(_ context: ChannelHandlerContext) -> Bool {
        self.isGoodBehindRest != nil || (200..<300).contains(self.parser.status) && self.hasUnsent(context)
    }

    /// Who takes no more of it has what they want.
    private func followRest(_ context: ChannelHandlerContext, now: NIODeadline) {
        let unsent = self.unsentBytes(context)
        if unsent < self.unsent { self.restSince = now }
        self.unsent = unsent
    }

    /// No kernel has less room for what is sent on a connection that nothing else is on.
    private static let sentAtOnce = 4_096

    private func parse(_ buffer: ByteBuffer) throws(ResponseParser.Malformed) -> ResponseParser.Progress {
        let result: Result<ResponseParser.Progress, ResponseParser.Malformed> = buffer.withUnsafeReadableBytes {
            bytes in
            do throws(ResponseParser.Malformed) { return .success(try self.parser.read(bytes)) } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        // The usual answer comes in one piece. What is under way then is the next request, of which nothing has come.
        if !self.hasCompleted, self.request != nil { self.acknowledgeAtOnce(context) }
        self.hasCompleted = false
        context.fireChannelReadComplete()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSUserEvent.handshakeCompleted? = event as? TLSUserEvent {
            self.isSecured = true
            // Only now it goes out.
            if self.sentAt != nil { self.sentAt = .now() }
            self.progressed(.secured)
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        guard !self.isEnded else { return }
        guard self.isGoodBehindRest == nil else { return self.complete(canReuse: false, now: .now()) }
        // Who says where the end is has come to it before this.
        let brokeOff = self.parser.isFramed || !self.parser.hasStatus
        if self.request != nil, self.parser.finish() != nil {
            if self.isTimedOut, self.sendAgain() { return }
            return self.complete(canReuse: false, brokeOff: brokeOff, now: .now())
        }
        if !self.parser.hasBegun, self.failure == nil, self.sendAgain() { return }
        self.fail(self.failure ?? (self.isReset ? .reset : .closed))
    }

    /// Whether the receiver says that it has waited for a request for too long. On a kept connection that was not this one,
    /// which was on its way when it said so (RFC 9110, section 15.5.9).
    private var isTimedOut: Bool { self.parser.status == 408 }

    /// Hands the request back to be sent on a fresh connection, if this one was kept and the receiver was just closing it.
    ///
    /// - Returns: false if it was not; a fresh one says what it says of the request, and so does who has had it for a while.
    private func sendAgain() -> Bool {
        guard self.isReused, let request = self.request, let pool = self.pool, let sentAt = self.sentAt,
            .now() < sentAt + self.shared.configuration.crossing
        else { return false }
        self.forgetRest()
        self.holdNoMore()
        self.request = nil
        // The request has its part of what there may be until it is through.
        self.pool = nil
        self.drop()
        pool.resend(request, now: .now(), deadline: self.deadline)
        return true
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The channel closes next, and that ends the request; here only the reason is kept.
        switch error {
        case is IOError: self.isReset = true
        // Without the farewell that TLS asks for it is closed like any other.
        case NIOSSLError.uncleanShutdown where self.isSecured: break
        case is NIOSSLError, is BoringSSLError, is NIOSSLExtraError:
            self.failure =
                self.failure
                ?? .tls(
                    FailureWords.securing(
                        error, certificate: self.tls?.peerCertificate.map { ShownCertificate($0) },
                        host: self.origin.place.host, showsOwn: self.origin.place.terms?.client != nil))
        default: break
        }
        context.close(promise: nil)
    }
}
