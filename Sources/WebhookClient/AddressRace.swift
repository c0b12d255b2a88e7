internal import NIOCore
internal import NIOPosix

/// Connects to the one of a host's addresses that answers first (RFC 8305).
///
/// Each has a moment to answer before the next is tried beside it; one that refuses has none. So a host is reached as long as one
/// of its addresses leads there, however many of the others drop what is sent to them, as all of a family do where a machine
/// has an address of it and no way out.
final class AddressRace {
    enum Ending {
        case connected(any Channel, SocketAddress)
        /// None does. This is how the last of them failed.
        case failed(SocketAddress, any Error)
    }

    /// How long an address has to answer before the next is tried as well (section 8).
    private static let headStart = TimeAmount.milliseconds(250)

    private let eventLoop: any EventLoop
    private let room: SideDials
    private let makeBootstrap: () -> ClientBootstrap
    private let isWanted: () -> Bool
    private var completion: ((Ending) -> Void)?
    private var rest: ArraySlice<SocketAddress>
    private var underWay = 0
    private var dialled: [any Channel] = []
    private var next: Scheduled<Void>?

    /// - Parameters:
    ///   - addresses: in the system's order.
    ///   - room: for what is tried beside the first.
    ///   - isWanted: whether anybody still waits for it.
    ///   - completion: told once, unless nobody waits any more.
    init(
        to addresses: [SocketAddress], on eventLoop: any EventLoop, within room: SideDials,
        makeBootstrap: @escaping () -> ClientBootstrap, isWanted: @escaping () -> Bool,
        completion: @escaping (Ending) -> Void
    ) {
        self.rest = Self.interleaved(addresses)[...]
        self.eventLoop = eventLoop
        self.room = room
        self.makeBootstrap = makeBootstrap
        self.isWanted = isWanted
        self.completion = completion
    }

    /// Both families in turn, beginning with the system's first (section 4), so that where one leads nowhere the other comes soon.
    static func interleaved(_ addresses: [SocketAddress]) -> [SocketAddress] {
        let first = addresses.filter { $0.protocol == addresses[0].protocol }
        let second = addresses.filter { $0.protocol != addresses[0].protocol }
        var order: [SocketAddress] = []
        for index in 0..<max(first.count, second.count) {
            if index < first.count { order.append(first[index]) }
            if index < second.count { order.append(second[index]) }
        }
        return order
    }

    /// Tries the next address.
    func step() {
        self.next?.cancel()
        self.next = nil
        guard self.completion != nil, self.isWanted(), !self.rest.isEmpty else { return }
        guard self.underWay == 0 || self.room.take() else { return self.stepLater() }
        let address = self.rest.removeFirst()
        self.underWay += 1
        // Before it is tried: what fails at once is followed at once.
        if !self.rest.isEmpty { self.stepLater() }
        let this = NIOLoopBound(self, eventLoop: self.eventLoop)
        self.makeBootstrap()
            .channelInitializer { channel in
                this.value.dialled.append(channel)
                return channel.eventLoop.makeSucceededVoidFuture()
            }
            .connect(to: address).assumeIsolated().whenComplete { self.ended(address, $0) }
    }

    private func stepLater() {
        self.next = self.eventLoop.assumeIsolated().scheduleTask(in: Self.headStart) { self.step() }
    }

    private func ended(_ address: SocketAddress, _ result: Result<any Channel, any Error>) {
        self.underWay -= 1
        if self.underWay > 0 { self.room.giveBack() }
        switch result {
        case .success(let channel):
            guard let completion = self.completion, self.isWanted() else { return channel.close(promise: nil) }
            self.completion = nil
            self.next?.cancel()
            for other in self.dialled where other !== channel { other.close(promise: nil) }
            self.dialled = []
            completion(.connected(channel, address))
        case .failure where !self.rest.isEmpty: self.step()
        case .failure(let error):
            guard self.underWay == 0, let completion = self.completion else { return }
            self.completion = nil
            completion(.failed(address, error))
        }
    }
}

/// Sockets that are being connected beside the first of their request, of all requests of an event loop: hosts with many addresses
/// that lead nowhere must not take the descriptors of others, and have one after the other tried where there are too many.
final class SideDials {
    private let most: Int
    private(set) var count = 0

    init(most: Int) {
        self.most = most
    }

    func take() -> Bool {
        guard self.count < self.most else { return false }
        self.count += 1
        return true
    }

    func giveBack() { self.count -= 1 }
}

extension ConnectionPool {
    /// Connects to one of some addresses for a request, all of which may be connected to.
    func race(
        for connection: HTTPConnection, to addresses: [SocketAddress],
        _ completion: @escaping (AddressRace.Ending) -> Void
    ) {
        AddressRace(
            to: addresses, on: self.shared.eventLoop, within: self.shared.sideDials,
            makeBootstrap: { self.bootstrap }, isWanted: { !connection.isEnded }, completion: completion
        ).step()
    }
}
