internal import HTTPTypes
internal import NIOCore
internal import NIOHTTP1
internal import NIOHTTPTypes

/// Tells those whose request is no HTTP that can be read what is wrong with it, as callers are told of everything else. The server
/// by itself says 400 and nothing, also behind the answer to a request whose body turns out to be none, which nobody waits for.
final class UnreadableRequests: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private struct Fault {
        let head: HTTPResponse
        let body: ByteBuffer
        /// Whether it is in a request whose head was read: then that has an answer of its own.
        let isBehindHead: Bool
    }

    /// What becomes of the parts of the answer that is being written.
    private enum Course {
        case asItIs, told, dropped
    }

    private var fault: Fault?
    /// How many requests have come whose answers have not ended. A connection has few.
    private var open = 0
    private var isReading = false
    private var course = Course.asItIs

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.unwrapInboundIn(data) {
        case .head:
            self.open += 1
            self.isReading = true
        case .body: break
        case .end: self.isReading = false
        }
        context.fireChannelRead(data)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if self.fault == nil, let unreadable = error as? HTTPParserError {
            // Without words the server's own answer stays.
            do { self.fault = try self.fault(of: unreadable) } catch { self.fault = nil }
        }
        context.fireErrorCaught(error)
    }

    private func fault(of error: HTTPParserError) throws -> Fault {
        let (status, headers, body) = try APIError.unreadable(error).parts()
        var head = HTTPResponse(status: status, headerFields: headers)
        head.headerFields[.contentLength] = String(body.readableBytes)
        return Fault(head: head, body: body, isBehindHead: self.isReading)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let part = self.unwrapOutboundIn(data)
        if case .head(let head) = part, head.status.kind != .informational { self.begin(context) }
        let course = self.course
        if case .end = part { self.end() }
        switch (course, part) {
        case (.asItIs, _), (.told, .end): context.write(data, promise: promise)
        default: promise?.succeed()
        }
    }

    /// What answers nothing that was asked is the server's word about the fault.
    private func begin(_ context: ChannelHandlerContext) {
        guard let fault = self.fault, self.open == 0 else { return }
        self.course = fault.isBehindHead ? .dropped : .told
        guard self.course == .told else { return }
        context.write(self.wrapOutboundOut(.head(fault.head)), promise: nil)
        context.write(self.wrapOutboundOut(.body(fault.body)), promise: nil)
    }

    private func end() {
        if self.course == .asItIs { self.open -= 1 }
        self.course = .asItIs
    }
}

extension APIError {
    /// A request that is no HTTP, after which nothing on the connection can be read.
    static func unreadable(_ error: HTTPParserError) -> APIError {
        let (status, message): (HTTPResponse.Status, String) =
            switch error {
            case .headerOverflow:
                (
                    .requestHeaderFieldsTooLarge,
                    "the request line and the headers may have 80 KiB each, all headers together as much, and be 1,000"
                )
            case .invalidVersion: (.httpVersionNotSupported, "the request must be HTTP/1.1 or HTTP/1.0")
            case .invalidMethod: (.badRequest, "the request is no HTTP that can be read: it begins with no method")
            case .invalidURL: (.badRequest, "the request is no HTTP that can be read: its target is no path")
            case .invalidHeaderToken:
                (.badRequest, "the request is no HTTP that can be read: a header has a character that none may have")
            case .invalidContentLength, .unexpectedContentLength:
                (
                    .badRequest,
                    "the request is no HTTP that can be read: content-length must be one number, and stand alone"
                )
            case .invalidChunkSize:
                (.badRequest, "the request is no HTTP that can be read: a chunk of the body must begin with its size")
            default: (.badRequest, "the request is no HTTP that can be read")
            }
        return APIError(status: status, message: message, headers: [.connection: "close"])
    }
}
