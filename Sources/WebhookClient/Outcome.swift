/// What came of one HTTP request.
package enum Outcome: Sendable {
    /// The receiver answered. `body` is the beginning of what it said, unpacked if it came packed and that can be done here.
    case response(status: Int, body: [UInt8], retryAfter: String?)
    case failure(Failure)

    /// Why there was no answer.
    package enum Failure: Sendable, Equatable {
        /// The host's name leads nowhere: there is no such host.
        case dns(String)
        /// Nobody has said where the host's name leads to: the name servers do not answer.
        case nameServer(String)
        /// The host resolves to an address that Hookline must not connect to.
        case forbiddenAddress(String)
        case connect(String)
        /// The proxy that leads to receivers did not do its part.
        case proxy(String)
        case tls(String)
        case timeout(Phase)
        /// The receiver closed the connection before it had answered.
        case closed
        /// The same without a farewell: it was reset.
        case reset
        /// What the receiver sent is not HTTP/1.1.
        case invalidResponse(String)
        /// No access token could be had for the request, and none is to be asked for so long if its provider says so.
        case token(String, wait: Duration? = nil)
        /// Nobody wants the answer any more: the webhook was removed, or the service is stopping.
        case cancelled
    }

    package enum Phase: String, Sendable {
        case connect, handshake, firstByte = "first byte", whole
    }
}

extension Outcome.Failure: CustomStringConvertible {
    /// A few words for the attempt's log, and what may help. They start with the kind, which does not change.
    package var description: String {
        switch self {
        case .dns(let why), .nameServer(let why), .connect(let why), .proxy(let why), .tls(let why),
            .invalidResponse(let why),
            .token(let why, _):
            "\(self.kind): \(why)"
        case .forbiddenAddress(let address): "address: \(FailureWords.forbidden(address))"
        case .timeout(let phase): "timeout: \(phase.words)"
        case .closed: "closed: the receiver closed the connection without an answer"
        case .reset:
            "closed: the receiver, or something on the way to it, reset the connection before there was an answer"
        case .cancelled: "cancelled"
        }
    }

    /// The kind alone, for a metric's label.
    package var kind: String {
        switch self {
        case .dns: "dns"
        case .nameServer: "nameserver"
        case .forbiddenAddress: "address"
        case .connect: "connect"
        case .proxy: "proxy"
        case .tls: "tls"
        case .timeout: "timeout"
        case .closed, .reset: "closed"
        case .invalidResponse: "response"
        case .token: "oauth2"
        case .cancelled: "cancelled"
        }
    }
}

extension Outcome.Phase {
    fileprivate var words: String {
        switch self {
        case .connect: "no connection in time; a firewall may drop what is sent there"
        case .handshake:
            "the receiver took the connection and did not end the TLS handshake in time; does it speak TLS at that port?"
        case .firstByte: "the receiver took the request and did not begin to answer in time (first byte)"
        case .whole: "the receiver did not come to the end of its answer's headers in time"
        }
    }
}

extension Outcome.Failure {
    /// Whether it says nothing about the receiver, who was not even looked for.
    package var isFault: Bool {
        switch self {
        case .nameServer, .proxy: true
        default: false
        }
    }

    /// How long nothing is to be sent, because whom the request needs has asked for that.
    package var wait: Duration? {
        if case .token(_, let wait) = self { wait } else { nil }
    }
}
