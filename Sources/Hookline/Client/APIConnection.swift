internal import Domain
internal import NIOCore
internal import NIOPosix
internal import NIOSSL
internal import Synchronization
internal import Values
internal import WebhookClient

/// A running Hookline, by its HTTP API.
struct APIConnection: Sendable {
    /// Without a slash at its end.
    let url: String
    private let key: Secret
    private let client: ClientConfiguration

    /// Why the API did not do what it was asked.
    struct Refusal: Error, CustomStringConvertible {
        let request: String
        /// 0 if nobody answered.
        let status: Int
        let reason: String

        var description: String {
            "\(self.request): \(self.status == 0 ? "" : "\(self.status) ")\(self.reason)".printable
        }

        /// Whether nobody knows if it was done. What stands before the API answers for it with 502 or 504 when that may have done it
        /// already, and the API itself with 503 when it did not hear what became of it.
        var isUncertain: Bool { !(300..<500).contains(self.status) }
    }

    /// A list that is longer than it may be.
    struct TooMany: Error, CustomStringConvertible {
        let path: String
        /// What it lists, in the plural.
        let kind: String
        let most: Int

        var description: String { "\(self.path) has more than \(self.most) \(self.kind)".printable }
    }

    private static let largestAnswer = 64 * 1_024 * 1_024

    /// - Parameter caFile: PEM with authorities beside the system's; nil for none.
    /// - Throws: ``InvalidSetting`` for what cannot be used.
    init(url: String, key: Secret, caFile: String?) throws {
        let url = try Self.base(url)
        guard key.reveal().utf8.allSatisfy({ (0x21...0x7E).contains($0) }), !key.reveal().isEmpty else {
            throw InvalidSetting(setting: "HOOKLINE_KEY", reason: "must be an API key or a token")
        }
        (self.url, self.key) = (url, key)
        var client = ClientConfiguration(resolver: Resolver(threads: .singleton))
        // Who calls chooses where to.
        client.addressGuard = .everywhere
        client.firstByteTimeout = .seconds(60)
        client.bodyTimeout = .seconds(60)
        client.totalTimeout = .seconds(120)
        client.keptBody = Self.largestAnswer
        do {
            let roots = try caFile.map { try NIOSSLCertificate.fromPEMFile($0) } ?? []
            client.tls = try ClientConfiguration.makeTLSContext(additionalRoots: roots)
        } catch {
            throw InvalidSetting(setting: "--ca-file", reason: "\(caFile ?? "") cannot be read: \(error)")
        }
        self.client = client
    }

    /// The url of an API without a slash at its end.
    ///
    /// - Throws: ``InvalidSetting``.
    static func base(_ text: String) throws(InvalidSetting) -> String {
        var url = text
        while url.last == "/" { url.removeLast() }
        do throws(WebhookURL.Refusal) { _ = try WebhookURL(url) } catch {
            throw InvalidSetting(setting: "HOOKLINE_URL", reason: error.reason)
        }
        guard !url.contains("?") else { throw InvalidSetting(setting: "HOOKLINE_URL", reason: "must not have a query") }
        return url
    }

    /// One request; what is answered, or null.
    ///
    /// - Throws: ``Refusal`` for every answer but 2xx, and if there is none.
    @discardableResult
    func call(_ method: String, _ path: String, _ body: JSONValue? = nil) async throws -> JSONValue {
        let request = "\(method) \(path)"
        let url: WebhookURL
        do throws(WebhookURL.Refusal) { url = try WebhookURL(self.url + path) } catch {
            throw Refusal(request: request, status: 0, reason: error.reason)
        }
        let text = body.map { Array($0.text.utf8) }
        var isAgain = false
        for _ in 0..<Self.mostTries {
            let (outcome, location) = await self.send(method, url, text)
            switch outcome {
            case .failure(let failure):
                throw Refusal(request: request, status: 0, reason: "\(self.url): \(failure)")
            case .response(429, _, let wait):
                try await Task.sleep(for: .seconds(min(max(wait.flatMap { Int($0) } ?? 1, 1), 60)))
            case .response(502...504, _, let wait) where method != "POST" && !isAgain:
                // What may be done twice is tried once more.
                isAgain = true
                try await Task.sleep(for: .seconds(min(max(wait.flatMap { Int($0) } ?? 1, 1), 10)))
            case .response(404, _, _) where method == "DELETE" && isAgain:
                // The first time it was done.
                return .null
            case .response(let status, let bytes, _):
                let isSuccess = (200..<300).contains(status)
                var (answer, reason) = (JSONValue.null, "")
                do throws(InvalidField) {
                    if !bytes.isEmpty { answer = try JSONValue(reading: bytes) }
                } catch {
                    // Something that stands before the API has answered.
                    if isSuccess { reason = "the answer is no JSON of Hookline's" }
                }
                if isSuccess, reason.isEmpty { return answer }
                if case .object(let fields) = answer, case .string(let text)? = fields["error"] { reason = text }
                if reason.isEmpty { reason = Self.strange(to: location) }
                throw Refusal(request: request, status: status, reason: reason)
            }
        }
        throw Refusal(request: request, status: 429, reason: "too many requests")
    }

    private static let mostTries = 5

    /// What is said of an answer that is none of Hookline's: something else is there, or stands before it.
    ///
    /// - Parameter location: where it would have the request go.
    private static func strange(to location: String?) -> String {
        guard let location else { return "the answer is none of Hookline's; is that the url of its API?" }
        return "a redirection to \(location.prefix(300)), which is not followed; is that its url?"
    }

    /// - Returns: what came of it, and where a redirection leads to.
    private func send(
        _ method: String, _ url: WebhookURL, _ body: [UInt8]?
    ) async -> (outcome: Outcome, location: String?) {
        let location = Mutex<String?>(nil)
        let outcome = await SingleRequest.send(
            to: url, on: MultiThreadedEventLoopGroup.singleton.next(), configuration: self.client,
            onStep: { step in
                if case .redirected(let place) = step { location.withLock { $0 = place } }
            }
        ) { [key] buffer in
            let type = body == nil ? "" : "content-type: application/json\r\n"
            buffer.writeRequest(
                method, to: url, agent: "hookline/\(Release.version)",
                "accept: application/json\r\nauthorization: Bearer \(key.reveal())\r\n\(type)", body: body ?? [])
        }
        return (outcome, location.withLock { $0 })
    }

    /// All of a list, page by page.
    ///
    /// - Parameters:
    ///   - key: what the elements stand under.
    ///   - most: how many there may be.
    func list(_ path: String, _ key: String, most: Int = 100_000) async throws -> [JSONFields] {
        var all: [JSONFields] = []
        var cursor = ""
        while true {
            let separator = path.contains("?") ? "&" : "?"
            let page = try await self.call("GET", "\(path)\(separator)limit=100&dir=asc\(cursor)")
            guard case .object(let fields) = page, case .array(let elements)? = fields[key] else { return all }
            for case .object(let element) in elements { all.append(element) }
            guard all.count <= most else {
                throw TooMany(path: path, kind: key, most: most)
            }
            guard case .string(let next)? = fields["next"] else { return all }
            cursor = "&cursor=" + Self.escaped(next)
        }
    }

    /// The newest of a list, page by page.
    ///
    /// - Parameters:
    ///   - key: what the elements stand under.
    ///   - most: how many there are to be at the most.
    func newest(_ path: String, _ key: String, _ query: RecordQuery, most: Int) async throws -> [JSONFields] {
        var all: [JSONFields] = []
        var cursor: String?
        while all.count < most {
            let limit = min(most - all.count, Self.largestPage)
            let page = try await self.page(path + query.parameters(limit: limit, behind: cursor), key)
            all += page.elements
            guard let next = page.next else { break }
            cursor = next
        }
        return all
    }

    static let largestPage = 200

    /// One page, and where the next begins.
    ///
    /// - Throws: ``Refusal``, also for what is no page.
    func page(_ path: String, _ key: String) async throws -> (elements: [JSONFields], next: String?) {
        guard case .object(let fields) = try await self.call("GET", path), case .array(let elements)? = fields[key]
        else { throw Refusal(request: "GET \(path)", status: 200, reason: "the answer is no page of Hookline's") }
        let objects = elements.compactMap { element -> JSONFields? in
            if case .object(let fields) = element { fields } else { nil }
        }
        return (objects, fields.string("next"))
    }

    /// Those of a kind, in the order of their names.
    ///
    /// - Parameter name: those alone whose name has this in it.
    func list(_ kind: ResourceKind, at path: String, name: String? = nil) async throws -> [JSONFields] {
        let named = name.map { "&name=\(Self.escaped($0))" } ?? ""
        return try await self.list("\(path)?order=name\(named)", kind.rawValue, most: Self.mostListed)
    }

    /// As many of a kind as a page has, of those whose name begins with this, or has it in it.
    func begun(_ name: String, _ kind: ResourceKind, at path: String) async throws -> [JSONFields] {
        // A group may have very many things, and an index for that.
        let filter = name.isEmpty ? "" : "&\(kind == .things ? "name_begins" : "name")=\(Self.escaped(name))"
        return try await self.page("\(path)?order=name&dir=asc&limit=\(Self.largestPage)\(filter)", kind.rawValue)
            .elements
    }

    /// Beyond that nobody reads a list.
    private static let mostListed = 10_000

    private static func escaped(_ text: String) -> String {
        var bytes: [UInt8] = []
        bytes.appendPercentEncoded(text.utf8)
        return String(decoding: bytes, as: UTF8.self)
    }
}
