internal import Domain
package import NIOCore
package import NIOPosix
internal import Synchronization

/// Turns host names into addresses, on threads of its own: looking up blocks.
package final class Resolver: Sendable {
    /// Looks up a host, blocking until there is an answer.
    package typealias LookUp = @Sendable (_ host: String) -> LookupAnswer

    private let threads: NIOThreadPool
    private let limits: LookupLimits
    private let now: @Sendable () -> NIODeadline
    private let lookUp: LookUp
    private let table: Mutex<LookupTable<EventLoopPromise<LookupAnswer>>>

    /// - Parameters:
    ///   - threads: started by whoever made it, as many as the limits say, and used by nobody else, so that a slow name
    ///     server holds up nothing but new connections.
    ///   - now: the event loops' clock.
    package init(
        threads: NIOThreadPool, limits: LookupLimits = LookupLimits(),
        now: @escaping @Sendable () -> NIODeadline = { .now() }, lookUp: @escaping LookUp = systemLookup
    ) {
        self.threads = threads
        self.limits = limits
        self.now = now
        self.lookUp = lookUp
        self.table = Mutex(LookupTable(limits: limits))
    }

    /// All addresses of a host in the system's order; an address literal is its own.
    ///
    /// They may be some seconds old, and have been checked by nobody.
    ///
    /// - Parameter owner: the group or org that wants to know; nil is nobody in particular.
    func resolve(
        _ host: String, port: Int, for owner: EntityID?, on eventLoop: any EventLoop
    ) -> EventLoopFuture<LookupAnswer> {
        if let literal = try? SocketAddress(ipAddress: host, port: port) {
            return eventLoop.makeSucceededFuture(.success([literal]))
        }
        let promise = eventLoop.makePromise(of: LookupAnswer.self)
        switch self.table.withLock({ $0.ask(host, for: owner, promise, now: self.now()) }) {
        case .answered(let answer): promise.succeed(answer)
        case .waits(let ticket):
            let patience = eventLoop.scheduleTask(in: self.limits.patience) {
                self.table.withLock { $0.giveUp(ticket) }?.succeed(.silence)
            }
            promise.futureResult.whenComplete { _ in patience.cancel() }
            self.startLookups()
        }
        return promise.futureResult.map { answer in
            answer.map { addresses in
                addresses.map { address in
                    var address = address
                    address.port = port
                    return address
                }
            }
        }
    }

    /// Tells all who wait that they will get no answer. To be called before their event loops end.
    package func close() {
        for promise in self.table.withLock({ $0.giveUpAll() }) { promise.succeed(.silence) }
    }

    private func startLookups() {
        while let host = self.table.withLock({ $0.start(now: self.now()) }) {
            self.threads.submit { state in
                let answer = state == .active ? self.lookUp(host) : .silence
                for promise in self.table.withLock({ $0.finish(host, answer, now: self.now()) }) {
                    promise.succeed(answer)
                }
                if state == .active { self.startLookups() }
            }
        }
    }
}

extension IPAddress {
    /// The bits that the kernel will connect to.
    init?(_ address: SocketAddress) {
        // By their places in `sockaddr_in` and `sockaddr_in6`: family, port, then the address.
        let (family, offset, length): (Family, Int, Int)
        switch address {
        case .v4: (family, offset, length) = (.v4, 4, 4)
        case .v6: (family, offset, length) = (.v6, 8, 16)
        case .unixDomainSocket: return nil
        }
        self = address.withSockAddr { pointer, size in
            let bytes = UnsafeRawBufferPointer(start: pointer, count: size)[offset..<(offset + length)]
            return IPAddress(family: family, bits: bytes.reduce(0) { $0 << 8 | UInt128($1) })
        }
    }
}
