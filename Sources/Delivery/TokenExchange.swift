internal import Domain
internal import NIOCore
internal import Values
internal import WebhookClient

/// Asking for an access token by client credentials, and reading the answer (RFC 6749, sections 4.4 and 5).
struct TokenExchange: Sendable {
    enum Result: Sendable {
        /// The `authorization` header, and for how many seconds it is good.
        case success(String, lifetime: Int64)
        case failure(Outcome.Failure)
    }

    let url: WebhookURL
    private let auth: WebhookAuth
    /// nil if the client has a secret.
    private let key: ClientKey?
    private let longestWait: Duration
    private let wallClock: WallClock

    static let largestAnswer = 64 * 1024
    /// A token is not used in its last moments: a request takes its time. Of one that is good for a short time only it is a
    /// quarter, so that it is of use at all.
    private static let margin: Int64 = 30
    private static let defaultLifetime: Int64 = 3_600

    /// nil if that is not how the webhook shows who it is.
    ///
    /// - Parameter longestWait: for how long the provider may have itself left alone.
    init?(
        _ auth: WebhookAuth, longestWait: Duration = DeliveryDefaults().longestRetryAfter, wallClock: WallClock
    ) {
        guard auth.kind == .oauth2, let url = try? WebhookURL(auth.tokenURL ?? "") else { return nil }
        self.auth = auth
        // Without one that can be read nothing is signed, and the provider says that it does not know who asks.
        self.key = auth.clientAuth == .privateKey ? try? ClientKey(pem: auth.privateKey ?? "") : nil
        self.longestWait = longestWait
        self.wallClock = wallClock
        self.url = url
    }

    func write(to buffer: inout ByteBuffer) {
        var body = Array("grant_type=client_credentials".utf8)
        for (name, value) in self.fields {
            body += Array("&\(name)=".utf8)
            body.appendPercentEncoded(value.utf8)
        }
        let authorization = self.authorization.map { "authorization: \($0)\r\n" } ?? ""
        buffer.writeRequest(
            "POST", to: self.url,
            "accept: application/json\r\n\(authorization)content-type: application/x-www-form-urlencoded\r\n",
            body: body)
    }

    /// What is asked for, and who asks where no header says it.
    private var fields: [(name: String, value: String)] {
        var fields: [(name: String, value: String)] = [
            ("scope", self.auth.scope ?? ""), ("audience", self.auth.audience ?? ""),
        ]
        fields.removeAll { $0.value.isEmpty }
        switch self.auth.clientAuth ?? .basic {
        case .basic: break
        case .post:
            fields += [("client_id", self.auth.clientID ?? ""), ("client_secret", self.auth.clientSecret ?? "")]
        case .privateKey:
            fields += [
                ("client_id", self.auth.clientID ?? ""),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", self.assertion),
            ]
        }
        return fields
    }

    /// Made anew for each request, because a provider takes none twice.
    private var assertion: String {
        let keyID = self.auth.keyID ?? ""
        do {
            return try self.key?.assertion(
                client: self.auth.clientID ?? "", audience: self.url.text, keyID: keyID.isEmpty ? nil : keyID,
                now: self.wallClock.microseconds() / 1_000_000, id: EntityID.random().description) ?? ""
        } catch {
            // It has signed when it was saved. If it does not now, the provider refuses, and the attempt says so.
            return ""
        }
    }

    /// Section 2.3.1: both are encoded before they are joined.
    private var authorization: String? {
        guard self.auth.clientAuth ?? .basic == .basic else { return nil }
        var credentials: [UInt8] = []
        credentials.appendPercentEncoded((self.auth.clientID ?? "").utf8)
        credentials.append(UInt8(ascii: ":"))
        credentials.appendPercentEncoded((self.auth.clientSecret ?? "").utf8)
        return "Basic \(Base64.encode(credentials))"
    }

    func read(_ outcome: Outcome) -> Result {
        switch outcome {
        case .failure(.cancelled): return .failure(.cancelled)
        case .failure(let failure) where failure.isFault: return .failure(failure)
        case .failure(let failure): return .failure(.token("at the token url: \(failure.description)"))
        case .response(let status, let body, let retryAfter):
            let answer = RawJSON(payload: body)
            // RFC 6749 says 200. Some say that one was created.
            guard let value = answer?.member("access_token")?.string, (200..<300).contains(status), Self.isToken(value)
            else {
                let wait = self.wait(status, retryAfter)
                let request = wait.flatMap { $0 == .zero ? nil : $0 }.map {
                    "; it asks to be left alone for \(($0.milliseconds + 999) / 1_000) s (Retry-After)"
                }
                return .failure(
                    .token(
                        "the token url answered \(status)\(Self.lack(of: answer, body, status: status))\(request ?? "")",
                        wait: wait))
            }
            let stated = answer?.member("expires_in").flatMap(Self.seconds)
            let lifetime = stated.map { Int64(saturating: max(0, min($0, 86_400))) } ?? Self.defaultLifetime
            return .success("Bearer \(value)", lifetime: max(1, lifetime - min(Self.margin, lifetime / 4)))
        }
    }

    /// For how long nothing is to be asked, by the two statuses that say so, as it is with receivers.
    private func wait(_ status: Int, _ retryAfter: String?) -> Duration? {
        guard status == 429 || status == 503, let retryAfter else { return nil }
        return RetryAfter.wait(retryAfter, now: self.wallClock.now).map { min($0, self.longestWait) }
    }

    /// A number, which some write as a string.
    private static func seconds(_ value: RawJSON) -> Double? {
        let seconds = value.number ?? value.string.flatMap { Double($0.trimmingSpaces) }
        return seconds?.isNaN == true ? nil : seconds
    }

    /// What it would have taken. Of the answer only the error's code is told (section 5.2): it may hold anything.
    private static func lack(of answer: RawJSON?, _ body: [UInt8], status: Int) -> String {
        if let code = answer?.member("error")?.string { return ": \(code.printable(most: 100))" }
        guard (200..<300).contains(status) else {
            return (300..<400).contains(status) ? ": a redirection, which is not followed" : " without an error's code"
        }
        if body.isEmpty { return " with an empty body, where JSON with an access_token belongs" }
        if body.count >= Self.largestAnswer { return " with more than \(Self.largestAnswer / 1_024) KiB" }
        guard let answer else { return ", and the body is not JSON" }
        guard let token = answer.member("access_token") else { return ", and the JSON has no access_token" }
        return token.string == nil
            ? ", and the access_token is no string" : ", and the access_token cannot be sent in a header"
    }

    /// It becomes a header.
    private static func isToken(_ text: String) -> Bool {
        (1...16_384).contains(text.utf8.count) && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }
}
