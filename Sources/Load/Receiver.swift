internal import NIOCore
internal import NIOPosix
internal import NIOSSL
internal import Synchronization

/// A small HTTP/1.1 server that takes what webhooks send: just enough of the protocol to cost next to nothing beside
/// what it measures.
enum Receiver {
    enum Behaviour: Sendable {
        /// Answers 200 at once.
        case answer
        /// Answers 200 at once, the body behind the head, which waits until the head is acknowledged (Nagle).
        case answerInTwo
        /// Answers 200 after a while.
        case answerLate(TimeAmount)
        /// Takes the request and never answers.
        case hang
        /// Takes the request and never answers, until it is told to.
        case hangUntil(Turn)
    }

    /// Whether receivers that hung answer.
    final class Turn: Sendable {
        private let isOver = Atomic(false)
        var answers: Bool { self.isOver.load(ordering: .relaxed) }
        func over() { self.isOver.store(true, ordering: .relaxed) }
    }

    /// Listens until the program ends.
    ///
    /// - Parameter tls: what it speaks, if that is TLS.
    static func start(
        port: Int, on group: any EventLoopGroup, behaviour: Behaviour = .answer, tls: NIOSSLContext? = nil,
        tally: Tally?
    ) async throws {
        _ = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1_024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: behaviour.isNagle ? 0 : 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls)) }
                    try channel.pipeline.syncOperations.addHandler(
                        RequestHandler(behaviour: behaviour, tally: tally))
                }
            }
            .bind(host: "127.0.0.1", port: port).get()
    }
}

extension Receiver.Behaviour {
    fileprivate var isNagle: Bool { if case .answerInTwo = self { true } else { false } }
}

private final class RequestHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private static let head = ByteBuffer(string: "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")
    private static let body = ByteBuffer(string: "ok")
    private static let ok = ByteBuffer(string: "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    private let behaviour: Receiver.Behaviour
    private let tally: Tally?
    private var input = ByteBuffer()

    init(behaviour: Receiver.Behaviour, tally: Tally?) {
        self.behaviour = behaviour
        self.tally = tally
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var data = self.unwrapInboundIn(data)
        self.input.writeBuffer(&data)
        while let request = RequestHead.read(&self.input) {
            if let (number, time) = Payload.read(self.input, at: self.input.readerIndex) {
                self.tally?.note(
                    number, webhook: request.webhook, published: time, now: NIODeadline.now().uptimeNanoseconds)
            }
            self.input.moveReaderIndex(forwardBy: request.bodyLength)
            switch self.behaviour {
            case .answerInTwo:
                context.writeAndFlush(self.wrapOutboundOut(Self.head), promise: nil)
                context.writeAndFlush(self.wrapOutboundOut(Self.body), promise: nil)
            case .answer: context.writeAndFlush(self.wrapOutboundOut(Self.ok), promise: nil)
            case .answerLate(let delay):
                context.eventLoop.assumeIsolated().scheduleTask(in: delay) {
                    context.writeAndFlush(self.wrapOutboundOut(Self.ok), promise: nil)
                }
            case .hang: break
            case .hangUntil(let turn):
                if turn.answers { context.writeAndFlush(self.wrapOutboundOut(Self.ok), promise: nil) }
            }
        }
        if self.input.readableBytes == 0 { self.input.clear() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}

/// `POST /<webhook's number> HTTP/1.1` and the headers after it.
private struct RequestHead {
    let webhook: Int
    let bodyLength: Int

    /// Reads a head whose body is there too.
    static func read(_ buffer: inout ByteBuffer) -> RequestHead? {
        let view = buffer.readableBytesView
        guard let end = view.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
        let head = view[..<end.lowerBound]
        guard let length = head.number(after: "content-length: "), let webhook = head.number(after: "POST /") else {
            return nil
        }
        let headLength = end.upperBound - view.startIndex
        guard view.count >= headLength + length else { return nil }
        buffer.moveReaderIndex(forwardBy: headLength)
        return RequestHead(webhook: webhook, bodyLength: length)
    }
}

extension ByteBufferView {
    fileprivate func firstRange(of pattern: [UInt8]) -> Range<Int>? {
        self.withUnsafeBytes { bytes in
            guard bytes.count >= pattern.count else { return nil }
            for start in 0...(bytes.count - pattern.count) where bytes[start] == pattern[0] {
                if (1..<pattern.count).allSatisfy({ bytes[start + $0] == pattern[$0] }) {
                    return self.startIndex + start..<self.startIndex + start + pattern.count
                }
            }
            return nil
        }
    }

    fileprivate func number(after name: String) -> Int? {
        guard let range = self.firstRange(of: Array(name.utf8)) else { return nil }
        var value = 0
        for byte in self[range.upperBound...] {
            guard case UInt8(ascii: "0")...UInt8(ascii: "9") = byte else { break }
            value = value * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return value
    }
}
