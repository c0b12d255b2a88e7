internal import NIOCore

/// One connection through a ``Proxy``. Both of its ends are on one event loop.
final class ProxyLink {
    fileprivate let proxy: Proxy
    fileprivate let near: any Channel
    fileprivate let far: any Channel
    /// Answers to come that are a byte and no message.
    fileprivate var bytesAwaited = 0
    fileprivate var isCut = false

    init(_ proxy: Proxy, near: any Channel, far: any Channel) {
        self.proxy = proxy
        self.near = near
        self.far = far
    }

    var towardsServer: any ChannelHandler { TowardsServer(self) }
    var towardsClient: any ChannelHandler { TowardsClient(self) }

    fileprivate func cut() {
        self.isCut = true
        self.near.close(promise: nil)
        self.far.close(promise: nil)
    }

    fileprivate func ended() {
        guard !self.proxy.isSilent else { return }
        self.proxy.forget([self.near, self.far])
        self.cut()
    }
}

private final class TowardsServer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let link: ProxyLink
    private var hasBegun = false

    init(_ link: ProxyLink) { self.link = link }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = self.unwrapInboundIn(data)
        guard !self.link.proxy.isSilent, !self.link.isCut else { return }
        if !self.hasBegun {
            if self.link.proxy.framing.asksForOneByte(bytes) {
                self.link.bytesAwaited += 1
            } else {
                self.hasBegun = true
            }
        }
        self.link.far.writeAndFlush(bytes, promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { self.link.ended() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

private final class TowardsClient: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let link: ProxyLink
    private var pending = ByteBuffer()

    init(_ link: ProxyLink) { self.link = link }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = self.unwrapInboundIn(data)
        guard !self.link.proxy.isSilent, !self.link.isCut else { return }
        self.pending.writeBuffer(&bytes)
        while let message = self.next() {
            switch self.link.proxy.count(message) {
            case nil: self.link.near.write(message, promise: nil)
            case .lost:
                self.link.near.flush()
                return self.link.cut()
            case .delivered:
                self.link.near.writeAndFlush(message, promise: nil)
                return self.link.cut()
            }
        }
        self.link.near.flush()
        self.pending.discardReadBytes()
    }

    private func next() -> ByteBuffer? {
        if self.link.bytesAwaited > 0, let byte = self.pending.readSlice(length: 1) {
            self.link.bytesAwaited -= 1
            return byte
        }
        return self.link.proxy.framing.length(of: self.pending).flatMap { self.pending.readSlice(length: $0) }
    }

    func channelInactive(context: ChannelHandlerContext) { self.link.ended() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
