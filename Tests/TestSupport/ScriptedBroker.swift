internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// Speaks as much MQTT 5 as a publisher needs, or a session that nothing comes to, and answers each message as the test says.
package final class ScriptedBroker: Sendable {
    package enum Answer: Sendable {
        /// PUBACK with this reason code.
        case acknowledge(UInt8)
        /// DISCONNECT with this reason code.
        case disconnect(UInt8)
        /// The connection is closed without a word.
        case hangUp
        case silence
    }

    package enum Greeting: Sendable {
        /// CONNACK with these properties (MQTT 5, section 3.2.2.3), without their length.
        case properties([UInt8])
        /// MQTT 3.1.1 is let in; from others it hangs up.
        case formerVersion
    }

    private let greeting: Greeting
    private let answer: @Sendable (String) -> Answer
    private let payloads: Mutex<[String]> = Mutex([])
    private let channel: Mutex<(any Channel)?> = Mutex(nil)
    private let connections: Mutex<[any Channel]> = Mutex([])

    package var port: Int { self.channel.withLock { $0?.localAddress?.port ?? 0 } }
    /// Of all messages so far, repeated ones too.
    package var received: [String] { self.payloads.withLock { $0 } }

    private init(_ greeting: Greeting, _ answer: @escaping @Sendable (String) -> Answer) {
        self.greeting = greeting
        self.answer = answer
    }

    /// - Parameters:
    ///   - greeting: how it answers to CONNECT.
    ///   - answer: asked with each message's payload.
    package static func start(
        greeting: Greeting = .properties([]), _ answer: @escaping @Sendable (String) -> Answer
    ) async throws -> ScriptedBroker {
        let broker = ScriptedBroker(greeting, answer)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                broker.connections.withLock { $0.append(channel) }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Handler(broker))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        broker.channel.withLock { $0 = channel }
        return broker
    }

    package func stop() async {
        try? await self.channel.withLock { $0 }?.close()
    }

    /// Closes all connections without a word; new ones are taken.
    package func hangUp() async {
        let connections = self.connections.withLock { connections in
            defer { connections = [] }
            return connections
        }
        for connection in connections { try? await connection.close() }
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private let broker: ScriptedBroker
        private var input = ByteBuffer()

        init(_ broker: ScriptedBroker) { self.broker = broker }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var bytes = self.unwrapInboundIn(data)
            self.input.writeBuffer(&bytes)
            while let (type, body) = self.nextPacket() { self.handle(type, body, context) }
        }

        /// A type, a length of seven bits per byte, and what follows (MQTT 5, section 2.1).
        private func nextPacket() -> (UInt8, ByteBuffer)? {
            var rest = self.input
            guard let type: UInt8 = rest.readInteger() else { return nil }
            var (length, shift) = (0, 0)
            while true {
                guard let byte: UInt8 = rest.readInteger() else { return nil }
                length |= Int(byte & 0x7F) << shift
                shift += 7
                if byte < 0x80 { break }
            }
            guard let body = rest.readSlice(length: length) else { return nil }
            self.input = rest
            return (type >> 4, body)
        }

        private func handle(_ type: UInt8, _ body: ByteBuffer, _ context: ChannelHandlerContext) {
            var body = body
            switch type {
            case 1: self.greet(body, context)
            case 3:
                guard let topicLength: UInt16 = body.readInteger(), body.readSlice(length: Int(topicLength)) != nil,
                    let id: UInt16 = body.readInteger(), let _: UInt8 = body.readInteger()
                else { return context.close(promise: nil) }
                let payload = String(buffer: body)
                self.broker.payloads.withLock { $0.append(payload) }
                switch self.broker.answer(payload) {
                case .acknowledge(let code): self.send([0x40, 3, UInt8(id >> 8), UInt8(id & 0xFF), code], context)
                case .disconnect(let code):
                    self.send([0xE0, 1, code], context)
                    context.close(promise: nil)
                case .hangUp: context.close(promise: nil)
                case .silence: return
                }
            case 8, 10:
                guard let id: UInt16 = body.readInteger() else { return context.close(promise: nil) }
                let granted: UInt8 = type == 8 ? 1 : 0
                self.send([type << 4 | 0x10, 4, UInt8(id >> 8), UInt8(id & 0xFF), 0, granted], context)
            case 12: self.send([0xD0, 0], context)
            case 14: context.close(promise: nil)
            default: return
            }
        }

        private func greet(_ body: ByteBuffer, _ context: ChannelHandlerContext) {
            switch self.broker.greeting {
            case .properties(let properties):
                let length = UInt8(properties.count)
                self.send([0x20, 3 + length, 0, 0, length] + properties, context)
            case .formerVersion:
                // Behind the protocol's name and its length (MQTT 3.1.1, section 3.1.2.2).
                let level: UInt8? = body.getInteger(at: body.readerIndex + 6)
                if level == 4 { self.send([0x20, 2, 0, 0], context) } else { context.close(promise: nil) }
            }
        }

        private func send(_ bytes: [UInt8], _ context: ChannelHandlerContext) {
            context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
        }
    }
}
