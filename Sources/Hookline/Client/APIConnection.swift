internal import Domain
internal import LocalServices
internal import NIOCore
internal import NIOPosix
internal import Values
internal import WebhookClient

/// The API of an installation, asked as its users ask it.
struct APIConnection: Sendable {
    private let base: String
    private let key: Secret
    private let client: ClientConfiguration

    private static let largestAnswer = 64 * 1_024 * 1_024
    /// Of a list; beyond that nobody reads it.
    static let mostListed = 10_000
    private static let page = 200

    /// - Parameter threads: started, for looking up the host; they outlive it.
    init(url: String, key: Secret, threads: NIOThreadPool) throws {
        self.base = try Self.base(url)
        self.key = key
        var client = ClientConfiguration(resolver: Resolver(threads: threads))
        // Whoever asks says where.
        client.addressGuard = AddressGuard(allowed: ["0.0.0.0/0", "::/0"].compactMap { Network($0) })
        client.keptBody = Self.largestAnswer
        client.firstByteTimeout = .seconds(60)
        client.totalTimeout = .seconds(120)
        client.bodyTimeout = .seconds(60)
        client.tls = try ClientConfiguration.makeTLSContext()
        self.client = client
    }

    /// The url of an API without a `/` at its end.
    static func base(_ text: String) throws -> String {
        do throws(WebhookURL.Refusal) { _ = try WebhookURL(text) } catch {
            throw ClientProblem("the url \(error.reason)")
        }
        guard !text.contains("?") else { throw ClientProblem("the url must not have a query") }
        return text.hasSuffix("/") ? String(text.dropLast()) : text
    }

    /// Asks once, and answers the body.
    ///
    /// - Throws: ``ClientProblem`` if there is no answer, or one of a status that is no success.
    func call(_ method: String, _ path: String, _ body: JSONValue? = nil) async throws -> [UInt8] {
        let url: WebhookURL
        do throws(WebhookURL.Refusal) { url = try WebhookURL(self.base + path) } catch {
            throw ClientProblem("the url \(error.reason)")
        }
        let (key, bytes) = (self.key, body.map { Array($0.text.utf8) })
        let outcome = await SingleRequest.send(
            to: url, on: MultiThreadedEventLoopGroup.singletonMultiThreadedEventLoopGroup.next(),
            configuration: self.client
        ) { buffer in
            buffer.writeString("\(method) \(url.requestTarget) HTTP/1.1\r\nhost: \(url.authority)\r\n")
            buffer.writeString("user-agent: hookline/\(version)\r\nauthorization: Bearer \(key.reveal())\r\n")
            if let bytes {
                buffer.writeString("content-type: application/json\r\ncontent-length: \(bytes.count)\r\n\r\n")
                buffer.writeBytes(bytes)
            } else {
                buffer.writeString("\r\n")
            }
        }
        switch outcome {
        case .response(let status, let body, _) where (200..<300).contains(status): return body
        case .response(let status, let body, _): throw Self.problem(status, body)
        case .failure(let failure): throw ClientProblem("\(self.base) does not answer: \(failure)")
        }
    }

    private static func problem(_ status: Int, _ body: [UInt8]) -> ClientProblem {
        do throws(InvalidField) {
            let words = try JSONObject(try JSONValue(reading: body), at: "").string("error")
            if let words { return ClientProblem("\(ClientText.printable(words)) (status \(status))") }
        } catch {
            // Something that stands before the API has answered.
        }
        return ClientProblem("the answer has status \(status)")
    }

    func object(_ path: String) async throws -> JSONValue {
        try Self.read(try await self.call("GET", path))
    }

    static func read(_ body: [UInt8]) throws -> JSONValue {
        do throws(InvalidField) { return try JSONValue(reading: body) } catch {
            throw ClientProblem("the answer is not what the API answers: \(error)")
        }
    }

    // MARK: Lists

    /// All of a list, in the order of their names, page by page; at most ``mostListed``.
    ///
    /// - Parameter name: those alone whose name has this in it.
    func list(_ kind: ResourceKind, at path: String, name: String? = nil) async throws -> [JSONFields] {
        var found: [JSONFields] = []
        var cursor: String?
        repeat {
            var target = "\(path)?limit=\(Self.page)&order=name&dir=asc"
            if let name { target += "&name=\(Self.encoded(name))" }
            if let cursor { target += "&cursor=\(Self.encoded(cursor))" }
            let answer = try await self.object(target)
            guard case .object(let fields) = answer, case .array(let items)? = fields[kind.rawValue] else {
                throw ClientProblem("the answer has no \(kind.rawValue)")
            }
            for case .object(let item) in items { found.append(item) }
            cursor = if case .string(let next)? = fields["next"] { next } else { nil }
        } while cursor != nil && found.count < Self.mostListed
        return found
    }

    /// For a value of a query (RFC 3986, section 2.3).
    private static func encoded(_ text: String) -> String {
        text.utf8.map { byte in
            switch UInt8(byte) {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
                String(UnicodeScalar(byte))
            default: "%" + Hex.encode([byte])
            }
        }.joined()
    }
}
