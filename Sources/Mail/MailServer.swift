package import Values

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// Where mail is handed over, as an operator writes it: `smtps://user:password@host:465` speaks TLS from the beginning,
/// `smtp://host:587` after STARTTLS, without which nothing is sent, and `smtp+plain://host:25` never, for a relay nearby.
package struct MailServer: Sendable, Unprintable {
    package enum Security: String, Sendable, CaseIterable {
        case tls = "smtps"
        case startTLS = "smtp"
        case none = "smtp+plain"

        fileprivate var port: Int {
            switch self {
            case .tls: 465
            case .startTLS: 587
            case .none: 25
            }
        }
    }

    package let security: Security
    /// An IPv6 address is in brackets.
    package let host: String
    package let port: Int
    package let user: String?
    package let password: Secret?

    /// nil if the text is no such url.
    package init?(_ text: Secret) {
        guard let url = URLComponents(string: text.reveal()), let security = Security(rawValue: url.scheme ?? ""),
            let host = url.host, !host.isEmpty, host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }),
            url.path.isEmpty || url.path == "/", url.query == nil, url.fragment == nil,
            (1...65_535).contains(url.port ?? security.port),
            // What was percent-encoded may be anything.
            ![url.user, url.password].contains(where: { $0?.utf8.contains { $0 < 0x20 } == true })
        else { return nil }
        // A password is for who encrypts.
        if security == .none, url.user != nil || url.password != nil { return nil }
        self.security = security
        self.host = host
        self.port = url.port ?? security.port
        self.user = url.user
        self.password = url.password.map { Secret($0) }
    }

    /// As libcurl has it.
    var address: String { "\(self.security == .tls ? "smtps" : "smtp")://\(self.host):\(self.port)" }
}
