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
                let authorization = request.authorization.map { "authorization: \($0)\r\n" } ?? ""
                let type = request.form == nil ? "" : "content-type: application/x-www-form-urlencoded\r\n"
                buffer.writeRequest(
                    request.form == nil ? "GET" : "POST", to: request.url,
                    "accept: application/json\r\n\(authorization)\(type)", body: request.form)
            }
            return switch outcome {
            case .response(let status, let body, _): .answer(status: status, body: body)
            case .failure(let failure): .failure(failure.description)
            }
        }
    }
}
