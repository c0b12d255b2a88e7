internal import NIOCore
internal import NIOPosix

/// Publishes at QoS 1 over one connection, with a window of unacknowledged messages: MQTT 3.1.1, just enough of it.
struct Publisher {
    let port: Int
    let group: any EventLoopGroup
    let clientID: String
    /// Message `n` goes to `topics[n % topics.count]`.
    let topics: [String]
    let size: Int

    /// Publishes `range` and returns when all of it is acknowledged.
    ///
    /// - Parameter rate: messages per second; 0 is as fast as the window lets it.
    func publish(_ range: Range<Int>, rate: Int) async throws {
        let done = self.group.next().makePromise(of: Void.self)
        let (clientID, topics, size) = (self.clientID, self.topics, self.size)
        let channel = try await ClientBootstrap(group: self.group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        PublishHandler(
                            clientID: clientID, topics: topics, size: size, range: range, rate: rate, done: done))
                }
            }
            .connect(host: "127.0.0.1", port: self.port).get()
        try await done.futureResult.get()
        try await channel.close()
    }
}

private final class PublishHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private static let window = 1_000

    private let clientID: String
    private let topics: [String]
    private let size: Int
    private let range: Range<Int>
    /// Nanoseconds between messages; 0 for none.
    private let interval: UInt64
    private let done: EventLoopPromise<Void>
    private var next: Int
    private var unacknowledged = 0
    private var input = ByteBuffer()
    private var startedAt: UInt64 = 0
    private var isSleeping = false

    init(clientID: String, topics: [String], size: Int, range: Range<Int>, rate: Int, done: EventLoopPromise<Void>) {
        self.clientID = clientID
        self.topics = topics
        self.size = size
        self.range = range
        self.interval = rate == 0 ? 0 : 1_000_000_000 / UInt64(rate)
        self.done = done
        self.next = range.lowerBound
    }

    func channelActive(context: ChannelHandlerContext) {
        var packet = context.channel.allocator.buffer(capacity: 64)
        // MQTT 3.1.1, section 3.1: protocol name and level, clean session, no keepalive.
        packet.writeBytes([0x10, UInt8(12 + self.clientID.utf8.count), 0, 4])
        packet.writeStaticString("MQTT")
        packet.writeBytes([4, 2, 0, 0, 0, UInt8(self.clientID.utf8.count)])
        packet.writeString(self.clientID)
        context.writeAndFlush(self.wrapOutboundOut(packet), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var data = self.unwrapInboundIn(data)
        self.input.writeBuffer(&data)
        // CONNACK and PUBACK, which is all that comes, have two bytes after the length.
        while let packet = self.input.readBytes(length: 4) {
            switch packet[0] {
            case 0x20: self.startedAt = NIODeadline.now().uptimeNanoseconds
            case 0x40: self.unacknowledged -= 1
            default: break
            }
        }
        self.input.discardReadBytes()
        if self.next >= self.range.upperBound, self.unacknowledged == 0 { self.done.succeed() }
        self.send(context: context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.done.fail(ChannelError.eof)
    }

    private func send(context: ChannelHandlerContext) {
        guard self.startedAt > 0 else { return }
        let now = NIODeadline.now().uptimeNanoseconds
        var packets = context.channel.allocator.buffer(capacity: 64 * 1_024)
        while self.next < self.range.upperBound, self.unacknowledged < Self.window {
            var time = now
            if self.interval > 0 {
                // The time it should go out counts, not the time it does.
                time = self.startedAt + UInt64(self.next - self.range.lowerBound) * self.interval
                guard time <= now else {
                    self.sleep(until: time, context: context)
                    break
                }
            }
            self.write(self.next, time: time, into: &packets)
            self.next += 1
            self.unacknowledged += 1
        }
        if packets.readableBytes > 0 { context.writeAndFlush(self.wrapOutboundOut(packets), promise: nil) }
    }

    private func sleep(until time: UInt64, context: ChannelHandlerContext) {
        guard !self.isSleeping else { return }
        self.isSleeping = true
        context.eventLoop.assumeIsolated().scheduleTask(deadline: .uptimeNanoseconds(time)) {
            self.isSleeping = false
            self.send(context: context)
        }
    }

    private func write(_ number: Int, time: UInt64, into packets: inout ByteBuffer) {
        let topic = self.topics[number % self.topics.count]
        packets.writeInteger(UInt8(0x32))
        var length = 2 + topic.utf8.count + 2 + self.size
        repeat {
            packets.writeInteger(UInt8(length % 128) | (length >= 128 ? 0x80 : 0))
            length /= 128
        } while length > 0
        packets.writeInteger(UInt16(topic.utf8.count))
        packets.writeString(topic)
        packets.writeInteger(UInt16(number % 65_535 + 1))
        Payload.write(number: number, time: time, size: self.size, into: &packets)
    }
}
