internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import Synchronization

/// A request as it arrived at a ``Receiver``.
package struct ReceivedRequest: Sendable {
    package let method: String
    package let path: String
    /// By lower-case name.
    package let headers: [String: String]
    package let body: String
    /// The body as it came, be it text or not.
    package let bytes: [UInt8]
}

/// A webhook receiver in this process, which remembers what it was sent and answers as it is told.
package final class Receiver: Sendable {
    /// What to do with a request.
    package enum Behaviour: Sendable {
        case answer(Int)
        /// Takes the request and never answers.
        case hang
        /// Answers with this status and these headers.
        case reply(Int, [String: String])
        /// Answers with this status and body.
        case content(Int, String)
        /// Answers 200 with these bytes, and says that they are packed so.
        case packed(String, [UInt8])
        /// Answers with this status and the head, and never with the body that it announces.
        case begin(Int)
        /// Answers 200 after a while.
        case delay(Duration)
        /// Answers with the status that is worked out for each request.
        case decide(@Sendable (ReceivedRequest) -> Int)
        /// The same, with a body.
        case respond(@Sendable (ReceivedRequest) -> (Int, String))
    }

    private struct State {
        var requests: [ReceivedRequest] = []
        var bodies: [String: Int] = [:]
        var accepted: [String] = []
        var behaviours: [String: Behaviour] = [:]
        var keepsRequests = true
        var underWay = 0
        var mostAtOnce = 0
    }

    private let state = Mutex(State())
    private let channel: Mutex<(any Channel)?>
    private let shared: Shared
    package let port: Int

    private init(port: Int, shared: Shared) {
        self.port = port
        self.shared = shared
        self.channel = Mutex(nil)
    }

    /// - Parameter keepsRequests: false counts bodies alone, for tests with very many.
    package static func start(port: Int = 0, keepsRequests: Bool = true) async throws -> Receiver {
        let group = MultiThreadedEventLoopGroup.singleton
        // The handlers need the receiver, and the receiver its port: bound first, accepting after.
        let box = Mutex<Receiver?>(nil)
        let shared = Shared(box: box)
        let channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.backlog, value: 1_024)
            .childChannelInitializer { channel in
                shared.connections.withLock { $0.append(channel) }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Handler(shared))
                }
            }
            .bind(host: "127.0.0.1", port: port).get()
        let receiver = Receiver(port: channel.localAddress?.port ?? 0, shared: shared)
        receiver.state.withLock { $0.keepsRequests = keepsRequests }
        receiver.channel.withLock { $0 = channel }
        shared.box.withLock { $0 = receiver }
        return receiver
    }

    package func url(_ path: String = "/hook") -> String { "http://127.0.0.1:\(self.port)\(path)" }

    package var requests: [ReceivedRequest] { self.state.withLock { $0.requests } }

    package func requests(at path: String) -> [ReceivedRequest] { self.requests.filter { $0.path == path } }

    /// How many different bodies came, and how many came more than once.
    package var bodies: (unique: Int, duplicates: Int) {
        self.state.withLock { state in
            (state.bodies.count, state.bodies.values.reduce(0) { $0 + $1 - 1 })
        }
    }

    /// How many requests there were at a time that were not answered yet.
    package var mostAtOnce: Int { self.state.withLock { $0.mostAtOnce } }

    fileprivate func answered() { self.state.withLock { $0.underWay -= 1 } }

    package func has(body: String) -> Bool { self.state.withLock { $0.bodies[body] != nil } }

    /// What to do with requests to this path from now on; 200 unless told otherwise.
    ///
    /// - Parameter path: `*` is all of which nothing else is said.
    package func set(_ behaviour: Behaviour, at path: String = "/hook") {
        self.state.withLock { $0.behaviours[path] = behaviour }
    }

    package func stop() async {
        let channel = self.channel.withLock { channel in
            defer { channel = nil }
            return channel
        }
        try? await channel?.close()
        // As when its process ends: kept connections are gone too.
        for connection in self.shared.connections.withLock({ $0 }) { try? await connection.close() }
    }

    fileprivate func receive(_ request: ReceivedRequest) -> Behaviour {
        self.state.withLock { state in
            let path = String(request.path.prefix { $0 != "?" })
            let behaviour = state.behaviours[path] ?? state.behaviours["*"] ?? .answer(200)
            state.underWay += 1
            state.mostAtOnce = max(state.mostAtOnce, state.underWay)
            if state.keepsRequests { state.requests.append(request) }
            switch behaviour {
            case .answer(200..<300), .delay, .content(200..<300, _): state.bodies[request.body, default: 0] += 1
            case .decide(let decide):
                let status = decide(request)
                if (200..<300).contains(status) {
                    state.bodies[request.body, default: 0] += 1
                    state.accepted.append(request.body)
                }
                return .answer(status)
            case .respond(let respond):
                let (status, body) = respond(request)
                return .content(status, body)
            default: break
            }
            return behaviour
        }
    }

    /// The bodies that a deciding path accepted, in the order in which it did.
    package var accepted: [String] { self.state.withLock { $0.accepted } }

    fileprivate final class Shared: Sendable {
        let box: Mutex<Receiver?>
        let connections = Mutex<[any Channel]>([])
        init(box: consuming Mutex<Receiver?>) { self.box = box }
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart

        private let shared: Shared
        private var head: HTTPRequestHead?
        private var body = ""
        private var bytes: [UInt8] = []

        init(_ shared: Shared) { self.shared = shared }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch self.unwrapInboundIn(data) {
            case .head(let head):
                self.head = head
                self.body = ""
                self.bytes = []
            case .body(let buffer):
                self.body += String(buffer: buffer)
                self.bytes += buffer.readableBytesView
            case .end:
                guard let head = self.head, let receiver = self.shared.box.withLock({ $0 }) else { return }
                let headers = Dictionary(head.headers.map { ($0.name.lowercased(), $0.value) }) { first, _ in first }
                let request = ReceivedRequest(
                    method: head.method.rawValue, path: head.uri, headers: headers, body: self.body,
                    bytes: self.bytes)
                switch receiver.receive(request) {
                case .answer(let status): self.answer(status, context)
                case .reply(let status, let headers): self.answer(status, context, headers)
                case .content(let status, let body): self.answer(status, context, body: Array(body.utf8))
                case .packed(let coding, let body):
                    self.answer(200, context, ["content-encoding": coding], body: body)
                case .begin(let status):
                    let head = HTTPResponseHead(
                        version: .http1_1, status: .init(statusCode: status), headers: ["content-length": "9"])
                    context.writeAndFlush(self.wrapOutboundOut(.head(head)), promise: nil)
                case .hang, .decide, .respond: return
                case .delay(let duration):
                    let context = NIOLoopBound(context, eventLoop: context.eventLoop)
                    let this = NIOLoopBound(self, eventLoop: context.value.eventLoop)
                    context.value.eventLoop.scheduleTask(in: TimeAmount(duration)) {
                        this.value.answer(200, context.value)
                    }
                }
            }
        }

        private func answer(
            _ status: Int, _ context: ChannelHandlerContext, _ headers: [String: String] = [:],
            body: [UInt8] = Array("ok".utf8)
        ) {
            self.shared.box.withLock { $0 }?.answered()
            var response = HTTPResponseHead(
                version: .http1_1, status: .init(statusCode: status), headers: ["content-length": "\(body.count)"])
            for (name, value) in headers { response.headers.add(name: name, value: value) }
            context.write(self.wrapOutboundOut(.head(response)), promise: nil)
            context.write(self.wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: body)))), promise: nil)
            context.writeAndFlush(self.wrapOutboundOut(.end(nil)), promise: nil)
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            context.close(promise: nil)
        }
    }
}
