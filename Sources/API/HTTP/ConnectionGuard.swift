internal import HTTPTypes
internal import NIOCore
internal import NIOHTTPTypes

/// Keeps one connection of the API from being held by somebody who does not go on: a request has to end some time after it
/// began, and what is answered has to be read. An idle connection and a head that does not end are the server's to close.
/// And it keeps what is said on it in step: nothing is behind the head of an answer to HEAD, and who asks for the end gets it.
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// For a request's body, and for a reader who takes nothing more.
    private static let patience = TimeAmount.seconds(60)

    private var requestEnd: Scheduled<Void>?
    private var drained: Scheduled<Void>?
    /// Whether each of the requests whose answer has not ended is a HEAD, in their order. A connection has few.
    private var open: [Bool] = []

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.unwrapInboundIn(data) {
        case .head(let head):
            self.requestEnd = Self.close(context, after: Self.patience)
            // Whoever waits to be told to go on is told so (RFC 9110, section 10.1.1), if nothing else is being said.
            if self.open.isEmpty, head.headerFields[.expect]?.lowercased() == "100-continue" {
                context.writeAndFlush(self.wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
            }
            self.open.append(head.method == .head)
            if let connection = head.headerFields[.connection], connection != "close", Self.asksForTheEnd(connection) {
                // The server knows the word alone, and in this case alone.
                var head = head
                head.headerFields[.connection] = "close"
                context.fireChannelRead(self.wrapInboundOut(.head(head)))
                return
            }
        case .body: break
        case .end:
            self.requestEnd?.cancel()
            self.requestEnd = nil
        }
        context.fireChannelRead(data)
    }

    /// A list of words in any case (RFC 9110, section 7.6.1).
    private static func asksForTheEnd(_ connection: String) -> Bool {
        connection.split { $0 == "," || $0 == " " || $0 == "\t" }.contains { $0.lowercased() == "close" }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch self.unwrapOutboundIn(data) {
        case .head: break
        case .body:
            // What went out here would be read as the beginning of the next answer (RFC 9110, section 9.3.2).
            if self.open.first == true {
                promise?.succeed()
                return
            }
        case .end: if !self.open.isEmpty { self.open.removeFirst() }
        }
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
