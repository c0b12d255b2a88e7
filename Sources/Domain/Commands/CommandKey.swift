internal import Crypto
package import Values

/// What lets the receiver of a delivery send commands to the delivery's thing, for a while, and do nothing else.
///
/// As text it is `hkc_`, and in base64url what stands here and an HMAC-SHA256 of that.
package struct CommandKey: Sendable, Equatable {
    package let thing: EntityID
    /// The thing's when the delivery was made.
    package let group: EntityID
    package let webhook: EntityID
    /// The answer that the delivery is about, if it is one: what is sent with this key comes of the command that it answers.
    package let answer: CommandAnswer.Address?
    package let expiresAt: Instant

    package static let prefix = "hkc_"

    package init(
        thing: EntityID, group: EntityID, webhook: EntityID, answer: CommandAnswer.Address?, expiresAt: Instant
    ) {
        self.thing = thing
        self.group = group
        self.webhook = webhook
        self.answer = answer
        self.expiresAt = expiresAt
    }

    /// What is signed.
    fileprivate var bytes: [UInt8] {
        var bytes: [UInt8] = [1]
        let (kind, command, subtopic): (UInt8, EntityID?, String) =
            switch self.answer {
            case nil: (0, nil, "")
            case .command(let id)?: (1, id, "")
            case .newest(let subtopic)?: (2, nil, subtopic)
            }
        bytes.append(kind)
        for number in [UInt64(bitPattern: self.expiresAt.seconds)]
            + [self.thing, self.group, self.webhook, command ?? EntityID(high: 0, low: 0)].flatMap({
                [$0.high, $0.low]
            })
        {
            withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
        }
        bytes.append(contentsOf: subtopic.utf8)
        return bytes
    }

    fileprivate static let fixed = 2 + 9 * 8

    fileprivate init?(bytes: ArraySlice<UInt8>) {
        let bytes = Array(bytes)
        guard bytes.count >= Self.fixed, bytes[0] == 1 else { return nil }
        let numbers = (0..<9).map { index in
            bytes[(2 + index * 8)..<(10 + index * 8)].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        }
        let ids = (0..<4).map { EntityID(high: numbers[1 + 2 * $0], low: numbers[2 + 2 * $0]) }
        guard let expiresAt = Instant(seconds: Int64(bitPattern: numbers[0])),
            let subtopic = String(validating: bytes[Self.fixed...], as: UTF8.self)
        else { return nil }
        self.expiresAt = expiresAt
        (self.thing, self.group, self.webhook) = (ids[0], ids[1], ids[2])
        switch bytes[1] {
        case 0: self.answer = nil
        case 1: self.answer = .command(ids[3])
        case 2: self.answer = .newest(subtopic: subtopic)
        default: return nil
        }
    }
}

/// Makes keys for commands, and tells those that it has made.
package final class CommandKeys: Sendable {
    private let secret: SymmetricKey
    /// How receivers reach the API, without a slash at the end; nil if nobody has said.
    private let publicURL: String?
    private let lifetime: Duration

    /// Of an HMAC-SHA256, in bytes.
    private static let codeLength = 32

    package enum Refusal: Error, Sendable {
        /// It was not made here, or changed since.
        case unknown
        case expired
    }

    /// - Parameter secret: the same at all instances, and for nothing else.
    package init(secret: [UInt8], publicURL: String?, lifetime: Duration) {
        self.secret = SymmetricKey(data: secret)
        self.publicURL = publicURL
        self.lifetime = lifetime
    }

    /// Where a receiver sends commands to the thing; nil if nobody knows how it reaches the API.
    package func url(of thing: EntityID) -> String? { self.publicURL.map { "\($0)/things/\(thing)/commands" } }

    /// The key that goes with a delivery.
    package func text(for message: Message, webhook: EntityID, now: Instant) -> String {
        self.text(
            CommandKey(
                thing: message.thing, group: message.group, webhook: webhook,
                answer: message.event == nil ? CommandAnswer.address(message.subtopic) : nil,
                expiresAt: now + self.lifetime))
    }

    package func text(_ key: CommandKey) -> String {
        let bytes = key.bytes
        let code = HMAC<SHA256>.authenticationCode(for: bytes, using: self.secret)
        return CommandKey.prefix
            + Base64.encode(bytes + code).replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    package func read(_ text: some StringProtocol, now: Instant) throws(Refusal) -> CommandKey {
        guard text.hasPrefix(CommandKey.prefix), text.utf8.count <= 4_096,
            let bytes = Base64.decode(
                String(text.dropFirst(CommandKey.prefix.count)).replacing("-", with: "+").replacing("_", with: "/")),
            bytes.count >= CommandKey.fixed + Self.codeLength
        else { throw .unknown }
        let signed = bytes.dropLast(Self.codeLength)
        // In constant time.
        guard
            HMAC<SHA256>.isValidAuthenticationCode(
                bytes.suffix(Self.codeLength), authenticating: signed, using: self.secret),
            let key = CommandKey(bytes: signed)
        else { throw .unknown }
        guard now < key.expiresAt else { throw .expired }
        return key
    }
}
