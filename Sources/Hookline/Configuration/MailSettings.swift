internal import Domain
internal import Mail
internal import Values

/// How mail is sent.
struct MailSettings: Sendable {
    let server: MailServer
    let sender: MailAddress
    let caFile: String?

    /// nil if none is. What is wrong is said all the same.
    init?(_ settings: SettingsReader) throws {
        self.caFile = try settings.string("smtp.tls_ca_file")
        _ = try settings.certificates("smtp.tls_ca_file")
        let sender = try settings.string("smtp.from").map { text in
            guard let sender = MailAddress(text) else {
                throw settings.invalid("smtp.from", "must be an address such as hookline@example.com")
            }
            return sender
        }
        guard let url = try settings.secret("smtp.url") else { return nil }
        guard let server = MailServer(url) else {
            throw settings.invalid(
                "smtp.url",
                "must be smtps://user:password@host:465, smtp://user:password@host:587, or smtp+plain://host:25 without"
                    + " a password")
        }
        guard let sender else { throw settings.invalid("smtp.from", "is required with SMTP_URL") }
        self.server = server
        self.sender = sender
    }
}
