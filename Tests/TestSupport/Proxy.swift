internal import Glibc
internal import LocalServices
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// A TCP proxy on loopback that sees where a server's messages end, so that any of them can be the last that arrives.
package final class Proxy: Sendable {
    /// What becomes of the message after which the connection is cut.
    package enum LastMessage: Sendable, CaseIterable { case delivered, lost }

    private enum Mode { case carrying, silent }

    private struct State {
        var mode = Mode.carrying
        var counted = 0
        var turns: [Int] = []
        var cut: (after: Int, last: LastMessage)?
        var listener: (any Channel)?
        /// Both ends of every connection.
        var connections: [ObjectIdentifier: any Channel] = [:]
    }

    let framing: Framing
    package let port: Int
    private let target: Int
    private let state = Mutex(State())

    private init(port: Int, target: Int, framing: Framing) {
        self.port = port
        self.target = target
        self.framing = framing
    }

    /// - Parameter target: the server's port; it need not be there yet.
    package static func start(to target: Int, speaking framing: Framing) async throws -> Proxy {
        var tries = 20
        while true {
            // The port is known before there is something that accepts on it; in between somebody else may take it.
            let found = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .bind(host: "127.0.0.1", port: 0).get()
            let port = found.localAddress?.port ?? 0
            try await found.close()
            let proxy = Proxy(port: port, target: target, framing: framing)
            do {
                try await proxy.listen()
                return proxy
            } catch let error as IOError where error.errnoCode == EADDRINUSE && tries > 0 {
                tries -= 1
            }
        }
    }

    // MARK: What happens to connections

    /// How many of the server's messages have come, over all connections, since ``mark()`` or ``cut(after:last:)``, and after
    /// which of them it was the client's turn.
    package var counted: (messages: Int, turns: [Int]) { self.state.withLock { ($0.counted, $0.turns) } }

    /// Whether the cut that was asked for has been made.
    package var hasCut: Bool { self.state.withLock { $0.cut == nil } }

    /// Counts from here.
    package func mark() {
        self.state.withLock {
            $0.counted = 0
            $0.turns = []
        }
    }

    /// Cuts, once, the connection over which the server's message of this number from now on comes, counted from 1.
    package func cut(after number: Int, last: LastMessage) {
        self.state.withLock {
            $0.counted = 0
            $0.turns = []
            $0.cut = (number, last)
        }
    }

    /// Cuts every connection. New ones are carried.
    package func cutAll() async {
        for channel in self.takeConnections() { await Self.close(channel) }
    }

    /// Connections stay open, and new ones are accepted, but nothing is carried over them and nobody learns that the other
    /// end has closed: as with a machine that is gone without a word.
    package func fallSilent() {
        self.state.withLock { $0.mode = .silent }
    }

    /// Cuts every connection, and new ones are refused.
    package func refuse() async {
        let listener = self.state.withLock { state in
            defer { state.listener = nil }
            return state.listener
        }
        if let listener { await Self.close(listener) }
        await self.cutAll()
    }

    /// Carries again after ``fallSilent()`` or ``refuse()``. Connections from a time of silence are cut: what they were
    /// to carry is lost.
    package func carry() async throws {
        let (wasSilent, isListening) = self.state.withLock { state in
            defer { state.mode = .carrying }
            return (state.mode == .silent, state.listener != nil)
        }
        if wasSilent { await self.cutAll() }
        guard !isListening else { return }
        // In between somebody else may have taken the port for a connection of theirs, which ends.
        try await waitUntil("the proxy's port") {
            do {
                try await self.listen()
                return true
            } catch let error as IOError where error.errnoCode == EADDRINUSE { return false }
        }
    }

    package func stop() async {
        await self.refuse()
    }

    private func takeConnections() -> [any Channel] {
        self.state.withLock { state in
            defer { state.connections = [:] }
            return Array(state.connections.values)
        }
    }

    /// One that is closed already is as good.
    private static func close(_ channel: any Channel) async {
        try? await channel.close()
    }

    // MARK: Carrying

    private func listen() async throws {
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.backlog, value: 256)
            .childChannelInitializer { near in
                ClientBootstrap(group: near.eventLoop).connect(host: "127.0.0.1", port: self.target).flatMap { far in
                    near.eventLoop.makeCompletedFuture {
                        let link = ProxyLink(self, near: near, far: far)
                        try near.pipeline.syncOperations.addHandler(link.towardsServer)
                        try far.pipeline.syncOperations.addHandler(link.towardsClient)
                        self.state.withLock { state in
                            for end in [near, far] { state.connections[ObjectIdentifier(end)] = end }
                        }
                    }
                }
            }
            .bind(host: "127.0.0.1", port: self.port).get()
        self.state.withLock { $0.listener = listener }
    }

    var isSilent: Bool { self.state.withLock { $0.mode == .silent } }

    /// Counts a message.
    ///
    /// - Returns: what becomes of it if the connection ends with it.
    func count(_ message: ByteBuffer) -> LastMessage? {
        self.state.withLock { state in
            state.counted += 1
            if self.framing.endsAnswer(message) { state.turns.append(state.counted) }
            guard let cut = state.cut, cut.after == state.counted else { return nil }
            state.cut = nil
            return cut.last
        }
    }

    func forget(_ ends: [any Channel]) {
        self.state.withLock { state in
            for end in ends { state.connections[ObjectIdentifier(end)] = nil }
        }
    }
}
