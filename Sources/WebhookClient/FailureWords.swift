internal import NIOCore
internal import NIOSSL
internal import Values

#if canImport(Glibc)
internal import Glibc
#endif

/// What went wrong, as the owner of a webhook can read it, and what would help.
///
/// Never the text of an error of ours or of a library's: that is about sources, calls and numbers.
enum FailureWords {
    static let noRoomForAnswer =
        "the answer has begun and does not go on, as those to many other requests of this group, and there is no room for so much of them"

    // MARK: Finding

    /// - Parameter why: what the system says.
    static func notFound(_ host: String, _ why: String) -> String {
        "there is no host \(host): \(why); is it spelt as it should be?"
    }

    static func notLookedUp(_ host: String, _ why: String) -> String {
        "\(host) could not be looked up: \(why)"
    }

    // MARK: Connecting

    /// - Parameter address: what was connected to, with the port.
    static func connecting(to address: String, _ error: any Error) -> String {
        guard let code = (error as? IOError)?.errnoCode else { return "no connection to \(address) could be made" }
        return switch code {
        case ECONNREFUSED: "\(address) refused the connection: nothing listens there, or a firewall forbids it"
        case EHOSTUNREACH, ENETUNREACH, ENETDOWN, EHOSTDOWN: "there is no route to \(address) from here"
        case ECONNRESET, EPIPE, ECONNABORTED: "\(address) reset the connection while it was made"
        case ETIMEDOUT: "\(address) does not answer; a firewall may drop what is sent there"
        case EACCES, EPERM: "this machine's own firewall forbids a connection to \(address)"
        case EMFILE, ENFILE: "Hookline has no descriptor left for a connection: its limit of open files is too low"
        case EADDRNOTAVAIL, EADDRINUSE: "this machine has no port left for a connection to \(address)"
        case ENOBUFS, ENOMEM: "this machine has no memory left for a connection to \(address)"
        default: "no connection to \(address) could be made: \(Self.text(of: code))"
        }
    }

    private static func text(of code: CInt) -> String {
        strerror(code).map { String(cString: $0) } ?? "error \(code)"
    }

    static func address(_ address: SocketAddress) -> String {
        guard let ip = address.ipAddress, let port = address.port else { return "the receiver" }
        return ip.contains(":") ? "[\(ip)]:\(port)" : "\(ip):\(port)"
    }

    static func forbidden(_ address: String) -> String {
        """
        \(address) is not allowed: beyond the public internet only what DELIVERY_ALLOWED_NETWORKS and the group's \
        allowed_networks name may be reached, and services that hand out a machine's credentials never
        """
    }

    // MARK: TLS

    /// - Parameters:
    ///   - certificate: the receiver's, as far as it has shown one.
    ///   - host: what the url says.
    ///   - showsOwn: whether the receiver was shown a client certificate, if it asked for one.
    ///   - now: seconds since 1970.
    static func securing(
        _ error: any Error, certificate: @autoclosure () -> ShownCertificate?, host: String, showsOwn: Bool = false,
        now: Int64 = Int64(time(nil))
    ) -> String {
        switch error {
        case let error as NIOSSLExtraError where error == .failedToValidateHostname:
            return Self.wrongName(certificate(), host: host)
        case NIOSSLError.handshakeFailed(.sslError(let stack)), BoringSSLError.sslError(let stack):
            let reasons = stack.map { Self.reason(in: $0.description) }
            if reasons.contains("CERTIFICATE_VERIFY_FAILED") { return Self.unverified(certificate(), now: now) }
            return Self.refused(reasons.first ?? "", showsOwn: showsOwn)
        case NIOSSLError.uncleanShutdown, NIOSSLError.handshakeFailed:
            return Self.refused("EOF during handshake")
        default: return "no secure connection could be made"
        }
    }

    /// The name that a library has for it, without its numbers and places: `error:…:SSL routines:OPENSSL_internal:NAME at …`.
    static func reason(in text: String) -> String {
        guard text.contains("SSL routines:") else {
            return text.contains("EOF during handshake") ? "EOF during handshake" : ""
        }
        let words = text.split(separator: " at /")[0].split(separator: ":")
        let name = words.last.map { $0.prefix { $0.isUppercase || $0.isNumber || $0 == "_" } } ?? ""
        return String(name)
    }

    static let noContext = "this connection cannot be secured"
    static let unusableTerms =
        "the client certificate or the authorities of this webhook or its group cannot be used; save them anew"

    /// - Parameter reason: BoringSSL's name for what the other side says, or for what is wrong with what it says.
    static func refused(_ reason: String, showsOwn: Bool = false) -> String {
        if showsOwn, let words = Self.refusedOwn(reason) { return words }
        return switch reason {
        case "WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "INVALID_RECORD_TYPE":
            "what answers there does not speak TLS; is it http, or another port?"
        case "EOF during handshake":
            "the receiver closed the connection during the TLS handshake; does it speak TLS at that port?"
        case "TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "UNKNOWN_SSL_VERSION":
            "the receiver and Hookline have no version of TLS in common"
        case "NO_SHARED_CIPHER", "TLSV1_ALERT_INSUFFICIENT_SECURITY", "NO_CIPHERS_AVAILABLE":
            "the receiver and Hookline have no cipher in common"
        case "TLSV1_ALERT_CERTIFICATE_REQUIRED", "TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_NO_CERTIFICATE":
            "the receiver wants a client certificate, and there is none"
        case "SSLV3_ALERT_BAD_CERTIFICATE", "TLSV1_ALERT_UNKNOWN_CA", "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
            "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE", "TLSV1_ALERT_ACCESS_DENIED":
            "the receiver does not take who connects: it may want a client certificate"
        case "SSLV3_ALERT_HANDSHAKE_FAILURE", "HANDSHAKE_FAILURE_ON_CLIENT_HELLO":
            "the receiver refuses the TLS handshake: it may want a client certificate, or there is no cipher in common"
        case "TLSV1_ALERT_UNRECOGNIZED_NAME", "TLSV1_UNRECOGNIZED_NAME", "SSLV3_ALERT_UNRECOGNIZED_NAME":
            "the receiver serves no such name over TLS"
        case "TLSV1_ALERT_NO_APPLICATION_PROTOCOL":
            "the receiver speaks no HTTP/1.1 there, only other protocols such as HTTP/2"
        case "NO_RENEGOTIATION":
            """
            the receiver asked for another TLS handshake on the same connection, as some do who want a client certificate for \
            some paths only; it has to ask at the beginning
            """
        case "TLSV1_ALERT_INTERNAL_ERROR": "the receiver says that it has an error of its own"
        case "": "no secure connection could be made"
        default: "no secure connection could be made (\(reason.lowercased().replacing("_", with: " ")))"
        }
    }

    /// What it says of the client certificate that it was shown.
    private static func refusedOwn(_ reason: String) -> String? {
        switch reason {
        case "TLSV1_ALERT_UNKNOWN_CA":
            "the receiver does not know the authority of the client certificate that it was shown"
        case "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the receiver says that the client certificate has expired"
        case "SSLV3_ALERT_CERTIFICATE_REVOKED": "the receiver says that the client certificate was revoked"
        case "SSLV3_ALERT_BAD_CERTIFICATE", "SSLV3_ALERT_CERTIFICATE_UNKNOWN", "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
            "TLSV1_ALERT_ACCESS_DENIED", "TLSV1_ALERT_DECRYPT_ERROR":
            "the receiver does not take the client certificate that it was shown"
        default: nil
        }
    }

    // MARK: The proxy

    static let silentProxy = "the proxy (DELIVERY_PROXY) does not answer in time"
    static let closedByProxy = "the proxy (DELIVERY_PROXY) closed the connection without an answer"
    static let strangeProxy = "what answers at DELIVERY_PROXY is no HTTP proxy"

    /// - Parameter status: with its words, as the proxy has it.
    static func refusedByProxy(_ status: String) -> String {
        let hint =
            switch status.prefix(3) {
            case "407": ": user and password in DELIVERY_PROXY are not what it wants"
            case "403", "405": ": its rules forbid this receiver, or CONNECT to this port"
            default: ""
            }
        return "the proxy refused: \(status)\(hint)"
    }

    private static func wrongName(_ certificate: ShownCertificate?, host: String) -> String {
        let names = certificate?.names.prefix(3).joined(separator: ", ") ?? ""
        return names.isEmpty
            ? "the certificate names no host, and so not \(host)"
            : "the certificate is for \(names), and not for \(host)"
    }

    /// By the certificate, because the library says only that it does not trust it.
    private static func unverified(_ certificate: ShownCertificate?, now: Int64) -> String {
        guard let certificate else { return "the certificate cannot be verified" }
        if certificate.validUntil < now {
            return "the certificate has expired, on \(Self.day(certificate.validUntil))"
        }
        if certificate.validFrom > now {
            return
                "the certificate is not yet valid, before \(Self.day(certificate.validFrom)); or this machine's clock is wrong"
        }
        if !certificate.isForServers {
            return "the certificate is not made for servers: its extended key usage does not name serverAuth"
        }
        if certificate.isSelfSigned {
            return """
                the certificate is self-signed: give it, or its authority, in DELIVERY_TLS_CA_FILE, or among the group's \
                authorities
                """
        }
        let issuer = certificate.issuer.map { "'\($0)'" } ?? "an authority"
        return """
            the certificate is of \(issuer), an unknown authority: either the receiver leaves out an intermediate certificate, \
            which it must send along, or sends one that has expired, or its authority is not a public one and is missing in DELIVERY_TLS_CA_FILE or among the \
            group's authorities
            """
    }
    private static func day(_ seconds: Int64) -> String {
        String(Instant(clampingMicroseconds: seconds.multiplied(by: 1_000_000)).text.prefix(10))
    }
}
