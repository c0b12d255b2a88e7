internal import Domain
internal import Mail
internal import Values

/// How mail is sent.
struct MailSettings: Sendable {
    let server: MailServer
    let sender: MailAddress
    let caFile: String?

    /// nil if none is.
    init?(_ settings: SettingsReader) throws {
        self.caFile = try settings.string("smtp.tls_ca_file")
        _ = try settings.certificates("smtp.tls_ca_file")
        guard let url = try settings.secret("smtp.url") else { return nil }
        guard let server = MailServer(url) else {
            throw settings.invalid(
                "smtp.url",
                "must be smtps://user:password@host:465, smtp://user:password@host:587, or smtp+plain://host:25 without"
                    + " a password")
        }
        guard let sender = MailAddress(try settings.required("smtp.from")) else {
            throw settings.invalid("smtp.from", "must be an address such as hookline@example.com")
        }
        self.server = server
        self.sender = sender
    }
}
