internal import HTTPTypes
internal import NIOCore
internal import NIOHTTPTypes

/// Keeps one connection of the API from being held by somebody who does not go on: a request has to end some time after it
/// began, and what is answered has to be read. An idle connection and a head that does not end are the server's to close.
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// For a request's body, and for a reader who takes nothing more.
    private static let patience = TimeAmount.seconds(60)

    private var requestEnd: Scheduled<Void>?
    private var drained: Scheduled<Void>?
    /// Requests whose answer has not ended.
    private var open = 0

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.unwrapInboundIn(data) {
        case .head(let head):
            self.requestEnd = Self.close(context, after: Self.patience)
            // Whoever waits to be told to go on is told so (RFC 9110, section 10.1.1), if nothing else is being said.
            if self.open == 0, head.headerFields[.expect]?.lowercased() == "100-continue" {
                context.writeAndFlush(self.wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
            }
            self.open += 1
        case .body: break
        case .end:
            self.requestEnd?.cancel()
            self.requestEnd = nil
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = self.unwrapOutboundIn(data) { self.open -= 1 }
        context.write(data, promise: promise)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        self.drained?.cancel()
        self.drained = context.channel.isWritable ? nil : self.watch(context)
        context.fireChannelWritabilityChanged()
    }

    /// Closes once nothing was read for some time. A long answer becomes writable at its end alone, however steadily it is
    /// read.
    private func watch(_ context: ChannelHandlerContext) -> Scheduled<Void> {
        let before = Self.unread(context)
        return context.eventLoop.assumeIsolated().scheduleTask(in: Self.patience) {
            if Self.unread(context) < before {
                self.drained = self.watch(context)
            } else {
                context.close(promise: nil)
            }
        }
    }

    /// How many bytes of answers are still to be taken; 0 if the channel is closed.
    private static func unread(_ context: ChannelHandlerContext) -> Int {
        (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.requestEnd?.cancel()
        self.drained?.cancel()
    }

    private static func close(_ context: ChannelHandlerContext, after patience: TimeAmount) -> Scheduled<Void> {
        context.eventLoop.assumeIsolated().scheduleTask(in: patience) { context.close(promise: nil) }
    }
}
