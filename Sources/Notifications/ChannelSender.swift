internal import Domain
internal import MQTT
internal import Mail
internal import NIOCore
internal import Queue
internal import Values
internal import WebhookClient

/// Gives a digest to a channel, in its form.
struct ChannelSender: Sendable {
    let messenger: BrokerMessenger
    let client: ClientConfiguration
    let eventLoop: any EventLoop
    let mailer: Mailer?
    /// The address of a user.
    let address: @Sendable (String) async throws -> MailAddress?
    let console: String?
    let wallClock: WallClock

    enum Answer: Equatable {
        case given
        /// Not now, in words for the channel's owner; and for the operator, if there is more to say.
        case later(String, detail: String? = nil)
        /// Never.
        case refused(String)
        /// The service is stopping.
        case cancelled
    }

    func give(_ digest: ChannelDigest, to channel: NoticeChannel) async throws -> Answer {
        let words = NoticeDigest(digest.notices, console: self.console)
        switch channel.target {
        case .mail(let address): return await self.mail(words, digest, to: address)
        case .userMail(let user):
            guard let address = try await self.address(user) else {
                return .refused("you have given no address, and your token has none that was verified")
            }
            return await self.mail(words, digest, to: address)
        case .bus:
            do throws(MQTTError) {
                try await self.messenger.publish(ChatShapes.plain(digest.notices), to: channel.owner.topic)
                return .given
            } catch {
                return error.kind == .refused ? .refused("the broker takes it not") : .later("the broker is away")
            }
        case .slack(let url): return await self.post(try ChatShapes.slack(words), to: url, of: channel)
        case .discord(let url): return await self.post(try ChatShapes.discord(words), to: url, of: channel)
        case .teams(let url): return await self.post(try ChatShapes.teams(words), to: url, of: channel)
        case .post(let url, let key):
            let body = ChatShapes.plain(digest.notices)
            let head = NoticePost.signature(
                id: Self.id(of: digest), timestamp: self.wallClock.now.seconds, by: SigningKeys(current: key), of: body)
            return await self.post(body, to: url, of: channel, head: head)
        }
    }

    /// The same however often it is sent, as long as nothing has joined it.
    private static func id(of digest: ChannelDigest) -> String {
        "ntc_\(digest.ids.first ?? 0)_\(digest.ids.last ?? 0)"
    }

    private func mail(_ words: NoticeDigest, _ digest: ChannelDigest, to address: MailAddress) async -> Answer {
        guard let mailer else { return .later("no mail is sent here: SMTP_URL is not set") }
        do throws(MailFailure) {
            try await mailer.send(
                MailMessage(
                    from: mailer.sender, to: address, subject: "[Hookline] \(words.subject)", text: words.text,
                    id: Self.id(of: digest), date: self.wallClock.now))
            return .given
        } catch {
            if Task.isCancelled { return .cancelled }
            return error.isFinal ? .refused(error.description) : .later(error.description, detail: error.detail)
        }
    }

    private func post(
        _ body: [UInt8], to url: WebhookURL, of channel: NoticeChannel, head: String = ""
    ) async -> Answer {
        var client = self.client
        // Names are looked up by whose they are.
        client.owner = channel.owner.entity ?? channel.id
        switch await NoticePost(url: url, body: body, head: head).send(client, on: self.eventLoop) {
        case .response(200..<300, _, _): return .given
        case .response(let status, _, _) where status == 408 || status == 429 || status >= 500:
            return .later("the channel's url answered \(status)")
        case .response(let status, _, _): return .refused("the channel's url answered \(status)")
        case .failure(.cancelled): return .cancelled
        // What is there where nothing may be asked is nobody's to hear.
        case .failure(let failure): return .later(failure.description)
        }
    }
}

extension NoticeOwner {
    fileprivate var entity: EntityID? {
        switch self {
        case .group(let id), .org(let id): id
        case .user: nil
        }
    }
}
