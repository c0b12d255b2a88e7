internal import API
internal import Domain
internal import NIOCore
internal import WebhookClient

extension ClientConfiguration {
    /// Asks an identity provider as receivers are asked: each address is checked after its name was resolved, by this guard,
    /// and no redirect is followed.
    func fetch(guardedBy addressGuard: AddressGuard, on eventLoop: any EventLoop) -> ProviderFetch {
        var client = self
        client.addressGuard = addressGuard
        client.connectTimeout = .seconds(3)
        client.firstByteTimeout = .seconds(5)
        client.totalTimeout = .seconds(6)
        return { [client] request in
            var client = client
            client.keptBody = request.most
            let outcome = await SingleRequest.send(to: request.url, on: eventLoop, configuration: client) { buffer in
                buffer.writeString(
                    """
                    \(request.form == nil ? "GET" : "POST") \(request.url.requestTarget) HTTP/1.1\r
                    host: \(request.url.authority)\r
                    user-agent: \(WebhookTarget.userAgent)\r
                    accept: application/json\r

                    """)
                if let authorization = request.authorization {
                    buffer.writeString("authorization: \(authorization)\r\n")
                }
                if let form = request.form {
                    buffer.writeString(
                        "content-type: application/x-www-form-urlencoded\r\ncontent-length: \(form.count)\r\n")
                }
                buffer.writeString("\r\n")
                if let form = request.form { buffer.writeBytes(form) }
            }
            return switch outcome {
            case .response(let status, let body, _): .answer(status: status, body: body)
            case .failure(let failure): .failure(failure.description)
            }
        }
    }
}
