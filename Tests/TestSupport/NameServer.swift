internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// A DNS server on port 53 of a loopback address of its own, which knows IPv4 addresses of some names and says of all others
/// that there is no such name. The port needs root.
package final class NameServer: Sendable {
    private let channel: any Channel
    private let queries: Queries

    fileprivate final class Queries: Sendable {
        let names = Mutex<[String]>([])
    }

    private init(channel: any Channel, queries: Queries) {
        self.channel = channel
        self.queries = queries
    }

    /// - Parameter known: addresses, each four bytes, by names in lower case without a dot at their end.
    package static func start(on address: String, knowing known: [String: [[UInt8]]]) async throws -> NameServer {
        let queries = Queries()
        let channel = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Answering(known: known, queries: queries))
                }
            }
            .bind(host: address, port: 53).get()
        return NameServer(channel: channel, queries: queries)
    }

    /// The names it was asked for, in order.
    package var asked: [String] { self.queries.names.withLock { $0 } }

    package func stop() async throws { try await self.channel.close() }
}

private final class Answering: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    private let known: [String: [[UInt8]]]
    private let queries: NameServer.Queries

    init(known: [String: [[UInt8]]], queries: NameServer.Queries) {
        self.known = known
        self.queries = queries
    }

    /// RFC 1035, section 4: a header of 12 bytes, the name as labels with their lengths, its type and class.
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = self.unwrapInboundIn(data)
        var packet = envelope.data
        guard let header = packet.readBytes(length: 12) else { return }
        let question = packet.readerIndex
        var labels: [String] = []
        while let length = packet.readInteger(as: UInt8.self), length > 0 {
            guard let label = packet.readString(length: Int(length)) else { return }
            labels.append(label.lowercased())
        }
        guard let type = packet.readInteger(as: UInt16.self), packet.readInteger(as: UInt16.self) != nil,
            let questionBytes = envelope.data.getBytes(at: question, length: packet.readerIndex - question)
        else { return }
        let name = labels.joined(separator: ".")
        self.queries.names.withLock { $0.append(name) }
        let addresses = type == 1 ? self.known[name] ?? [] : []
        var answer = ByteBuffer(bytes: header[..<2])
        // An answer, recursion available; the code 3 says that there is no such name.
        answer.writeInteger(UInt16(self.known[name] == nil ? 0x8183 : 0x8180))
        answer.writeMultipleIntegers(UInt16(1), UInt16(addresses.count), UInt16(0), UInt16(0))
        answer.writeBytes(questionBytes)
        for address in addresses {
            // The name is the question's; type A, class IN, five seconds.
            answer.writeMultipleIntegers(UInt16(0xC00C), UInt16(1), UInt16(1), UInt32(5), UInt16(4))
            answer.writeBytes(address)
        }
        context.writeAndFlush(
            self.wrapOutboundOut(AddressedEnvelope(remoteAddress: envelope.remoteAddress, data: answer)), promise: nil)
    }
}
