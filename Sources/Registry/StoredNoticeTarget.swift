internal import Domain
internal import Schema

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// What is sealed of a channel, as JSON.
struct StoredNoticeTarget: Codable {
    private var address: String?
    private var user: String?
    private var url: String?
    private var signingKey: String?

    init(_ target: NoticeTarget) {
        switch target {
        case .mail(let address): self.address = address.text
        case .userMail(let user): self.user = user
        case .slack(let url), .teams(let url), .discord(let url): self.url = url.text
        case .bus: break
        case .post(let url, let key): (self.url, self.signingKey) = (url.text, key.text)
        }
    }

    static func seal(_ target: NoticeTarget, by box: SecretBox, of id: EntityID) throws -> [UInt8] {
        try box.seal(Array(JSONEncoder().encode(StoredNoticeTarget(target))), of: id, in: .noticeTarget)
    }

    static func open(_ sealed: [UInt8], by box: SecretBox, of id: EntityID) throws(StorageError) -> StoredNoticeTarget {
        let bytes: [UInt8]
        do throws(SecretBox.Unreadable) { bytes = try box.open(sealed, of: id) } catch {
            throw .unreadable("\(error)")
        }
        do { return try JSONDecoder().decode(StoredNoticeTarget.self, from: Data(bytes)) } catch {
            throw .unreadable("this version cannot read where it leads")
        }
    }

    func target(_ kind: String) throws(StorageError) -> NoticeTarget {
        let url = self.url.flatMap { try? WebhookURL($0) }
        let target: NoticeTarget? =
            switch NoticeTarget.Kind(rawValue: kind) {
            case .email: self.user.map { .userMail($0) } ?? self.address.flatMap { MailAddress($0) }.map { .mail($0) }
            case .slack: url.map { .slack($0) }
            case .teams: url.map { .teams($0) }
            case .discord: url.map { .discord($0) }
            case .mqtt: .bus
            case .post:
                url.flatMap { url in
                    self.signingKey.flatMap { try? SigningKey($0) }.map { .post(url, $0) }
                }
            case nil: nil
            }
        guard let target else { throw .unreadable("this version cannot read where it leads") }
        return target
    }
}
