internal import Hummingbird
internal import Logging
internal import NIOCore

/// A receiver that prints what arrives, so that the first delivery is seen without writing a server. At `…/token` it gives out access
/// tokens, so that OAuth can be tried.
func makeReceiver(port: Int, logger: Logger) -> some ApplicationProtocol {
    let responder = CallbackResponder { (request: Request, _: BasicRequestContext) in
        let body = try await request.body.collect(upTo: 2 * 1024 * 1024)
        let headers = request.headers.map { "    \($0.name): \($0.value)" }.joined(separator: "\n")
        let shown = String(buffer: body.getSlice(at: body.readerIndex, length: min(body.readableBytes, 4_096)) ?? body)
        printNow("<-- received \(request.method) \(request.uri.path)\n\(headers)\n    \(shown)\n")
        let answer =
            request.uri.path.hasSuffix("/token")
            ? #"{"access_token":"demo","token_type":"Bearer","expires_in":3600}"# : "received"
        return Response(status: .ok, body: ResponseBody(byteBuffer: ByteBuffer(string: "\(answer)\n")))
    }
    var quiet = logger
    quiet.logLevel = .error
    return Application(
        responder: responder, configuration: .init(address: .hostname("127.0.0.1", port: port)), logger: quiet)
}
