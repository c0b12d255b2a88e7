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
        /// The same, with these properties, without their length.
        case disconnectSaying(UInt8, [UInt8])
        /// The connection is closed without a word.
        case hangUp
        case silence
    }

    package enum Greeting: Sendable {
        /// CONNACK with these properties (MQTT 5, section 3.2.2.3), without their length.
        case properties([UInt8])
        /// MQTT 3.1.1 is let in; from others it hangs up.
        case formerVersion
        /// CONNACK with this reason code and these properties.
        case refusal(UInt8, [UInt8])
    }

    /// A message that waits for a session: it comes once that has subscribed, and with each connection after that, until it is
    /// acknowledged.
    package struct Kept: Sendable {
        package let topic: [UInt8]
        package let payload: String
        /// As they stand in the packet (MQTT 5, section 3.3.2.3), without their length.
        package let properties: [UInt8]

        package init(_ payload: String, on topic: String, properties: [UInt8] = []) {
            self.init(payload, onBytes: Array(topic.utf8), properties: properties)
        }

        package init(_ payload: String, onBytes topic: [UInt8], properties: [UInt8] = []) {
            self.topic = topic
            self.payload = payload
            self.properties = properties
        }

        fileprivate func packet(_ id: UInt16) -> [UInt8] {
            let head = [0, UInt8(self.topic.count)] + self.topic + [UInt8(id >> 8), UInt8(id & 0xFF)]
            let body = head + [UInt8(self.properties.count)] + self.properties + Array(self.payload.utf8)
            return [0x32, UInt8(body.count)] + body
        }
    }

    private let greeting: Greeting
    private let answer: @Sendable (String) -> Answer
    private let waiting: Mutex<[UInt16: Kept]>
    private let owner: String?
    private let refusals: Mutex<Set<UInt8>> = Mutex([])
    private let versions: Mutex<[UInt8]> = Mutex([])
    private let subscribers: Mutex<Set<String>> = Mutex([])
    private let subscriptions: Mutex<[[UInt8]]> = Mutex([])
    private let payloads: Mutex<[String]> = Mutex([])
    private let channel: Mutex<(any Channel)?> = Mutex(nil)
    private let connections: Mutex<[any Channel]> = Mutex([])

    package var port: Int { self.channel.withLock { $0?.localAddress?.port ?? 0 } }
    /// Of all messages so far, repeated ones too.
    package var received: [String] { self.payloads.withLock { $0 } }
    /// In which versions it was spoken to, in their order: 4 is MQTT 3.1.1.
    package var spoken: [UInt8] { self.versions.withLock { $0 } }
    /// The properties of each SUBSCRIBE (MQTT 5, section 3.8.2.1), in their order.
    package var subscribed: [[UInt8]] { self.subscriptions.withLock { $0 } }
    /// Whether all that it kept was acknowledged.
    package var isRid: Bool { self.waiting.withLock { $0.isEmpty } }

    private init(
        _ greeting: Greeting, _ kept: [Kept], _ owner: String?, _ answer: @escaping @Sendable (String) -> Answer
    ) {
        self.greeting = greeting
        self.owner = owner
        self.waiting = Mutex(Dictionary(uniqueKeysWithValues: zip(UInt16(1)..., kept)))
        self.answer = answer
    }

    /// - Parameters:
    ///   - greeting: how it answers to CONNECT.
    ///   - kept: no message is longer than 127 bytes with all it has.
    ///   - owner: the client id that it is kept for; nil is any.
    ///   - answer: asked with each message's payload.
    package static func start(
        greeting: Greeting = .properties([]), keeping kept: [Kept] = [], of owner: String? = nil,
        _ answer: @escaping @Sendable (String) -> Answer
    ) async throws -> ScriptedBroker {
        let broker = ScriptedBroker(greeting, kept, owner, answer)
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

    /// Does not let anybody subscribe with these numbers, each less than 128, from now on.
    package func refuse(_ numbers: Set<UInt8>) { self.refusals.withLock { $0 = numbers } }

    /// Keeps more for those who connect from now on.
    package func keep(_ kept: Kept) {
        self.waiting.withLock { $0[($0.keys.max() ?? 0) + 1] = kept }
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
        /// Of a client whose session lasts, and that something may be kept for; nil for others.
        private var client: String?

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
                case .disconnectSaying(let code, let properties):
                    let length = UInt8(properties.count)
                    self.send([0xE0, 2 + length, code, length] + properties, context)
                    context.close(promise: nil)
                case .hangUp: context.close(promise: nil)
                case .silence: return
                }
            case 4:
                guard let id: UInt16 = body.readInteger() else { return context.close(promise: nil) }
                self.broker.waiting.withLock { $0[id] = nil }
            case 8, 10:
                guard let id: UInt16 = body.readInteger() else { return context.close(promise: nil) }
                let granted: UInt8 = type == 8 ? (self.isRefused(body) ? 135 : 1) : 0
                let answer = [type << 4 | 0x10, 4, UInt8(id >> 8), UInt8(id & 0xFF), 0, granted]
                self.send(answer + (type == 8 ? self.noteSubscription(body) : []), context)
            case 12: self.send([0xD0, 0], context)
            case 14: context.close(promise: nil)
            default: return
            }
        }

        private func greet(_ body: ByteBuffer, _ context: ChannelHandlerContext) {
            // Behind the protocol's name and its length (MQTT 3.1.1, section 3.1.2.2).
            let level: UInt8 = body.getInteger(at: body.readerIndex + 6) ?? 0
            self.broker.versions.withLock { $0.append(level) }
            switch self.broker.greeting {
            case _ where level == 4: self.send([0x20, 2, 0, 0], context)
            case .properties(let properties):
                self.client = self.lastingClient(body)
                let isKnown = self.client.map { client in self.broker.subscribers.withLock { $0.contains(client) } }
                let (length, there): (UInt8, UInt8) = (UInt8(properties.count), isKnown == true ? 1 : 0)
                let answer = [0x20, 3 + length, there, 0, length] + properties
                self.send(answer + (isKnown == true ? self.kept : []), context)
            case .formerVersion: context.close(promise: nil)
            case .refusal(let code, let properties):
                let length = UInt8(properties.count)
                self.send([0x20, 3 + length, 0, code, length] + properties, context)
                context.close(promise: nil)
            }
        }

        /// The client id of a CONNECT of MQTT 5 (section 3.1), if its session is to last and something may be kept for it.
        private func lastingClient(_ body: ByteBuffer) -> String? {
            var body = body
            body.moveReaderIndex(forwardBy: 7)
            guard let flags: UInt8 = body.readInteger(), flags & 2 == 0, let _: UInt16 = body.readInteger(),
                let length: UInt8 = body.readInteger(), body.readSlice(length: Int(length)) != nil,
                let count: UInt16 = body.readInteger()
            else { return nil }
            let client = body.readString(length: Int(count))
            return self.broker.owner == nil || self.broker.owner == client ? client : nil
        }

        /// By the number of a subscription, which is its only property (MQTT 5, section 3.8.2.1.2).
        private func isRefused(_ body: ByteBuffer) -> Bool {
            guard let bytes = body.getBytes(at: body.readerIndex, length: 3), bytes[0] > 0, bytes[1] == 0x0B else {
                return false
            }
            return self.broker.refusals.withLock { $0.contains(bytes[2]) }
        }

        /// - Returns: what is kept, if it has not come to this client yet.
        private func noteSubscription(_ body: ByteBuffer) -> [UInt8] {
            var body = body
            let length: UInt8 = body.readInteger() ?? 0
            let properties = body.readBytes(length: Int(length)) ?? []
            self.broker.subscriptions.withLock { $0.append(properties) }
            guard let client, self.broker.subscribers.withLock({ $0.insert(client).inserted }) else { return [] }
            return self.kept
        }

        /// To be sent in one piece with what they follow, so that they are there when that is.
        private var kept: [UInt8] {
            let kept = self.broker.waiting.withLock { $0.sorted { $0.key < $1.key } }
            return kept.flatMap { $0.value.packet($0.key) }
        }

        private func send(_ bytes: [UInt8], _ context: ChannelHandlerContext) {
            context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
        }
    }
}
