internal import API
internal import ArgumentParser
internal import Domain
internal import Values

struct Token: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print a user token, signed with AUTH_JWT_SECRET, and nothing else.")

    @Option(help: "The user's id, which becomes the token's `sub`.")
    var user: String

    @Flag(help: "Let the token pass every check of roles.")
    var root = false

    @Option(help: "How long the token is good for, such as 24h or 30d.")
    var expires = "24h"

    @OptionGroup var settings: SettingsArguments

    func run() async throws {
        let reader = try await SettingsReader(arguments: self.settings.arguments)
        guard let lifetime = Duration(text: self.expires), lifetime > .zero, lifetime <= .tenYears
        else {
            throw ValidationError("--expires must be a time such as 30m, 24h or 7d, at most \(Duration.tenYears.text).")
        }
        guard !self.user.isEmpty, self.user.utf8.count <= 254 else {
            throw ValidationError("--user must have 1 to 254 bytes.")
        }
        let identity = try AuthSettings(reader).identity
        guard let secret = identity.secret else {
            throw reader.invalid("auth.jwt_secret", "is required to sign a token")
        }
        var token = Self.make(user: self.user, isRoot: self.root, lifetime: lifetime)
        token.issuer = identity.issuer
        token.audience = identity.audiences.first
        print(try token.signed(with: secret.reveal()))
    }

    static func make(user: String, isRoot: Bool, lifetime: Duration) -> OwnToken {
        OwnToken(user: user, isRoot: isRoot, expires: WallClock.system.now + lifetime)
    }
}
