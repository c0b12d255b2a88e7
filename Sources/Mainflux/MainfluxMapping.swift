package import Domain
package import Registry

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// What things of Mainflux become here. docs/mainflux.md says the same to operators.
package enum MainfluxMapping {
    // MARK: Names

    /// Names may be longer there, empty, or hold characters that would break a line. What has to be changed carries the
    /// beginning of its id, so that two do not become the same.
    package static func name(_ name: String, of id: EntityID) -> String {
        if Name.isAllowed(name) { return name }
        let mark = id.description.prefix(8)
        let printable = String(
            String.UnicodeScalarView(
                name.unicodeScalars.map { Name.isAllowed(String($0)) ? $0 : " " }.prefix(240)))
        return printable.allSatisfy(\.isWhitespace) ? "imported \(mark)" : "\(printable)… \(mark)"
    }

    // MARK: Profiles

    /// The flags have had several names. Where none is there Mainflux takes them as set, and so do we; a profile without
    /// any config sends nothing anywhere.
    package static func config(of profile: MainfluxProfile) -> ProfileConfig {
        let type = profile.contentType.flatMap { $0.isEmpty ? nil : try? ProfileConfig.checkedContentType($0) }
        var config = ProfileConfig(contentType: type ?? ProfileConfig.defaultContentType)
        guard profile.hasConfig else { return config }
        config.write = Self.flag(profile.writeEnabled ?? profile.write) ?? true
        config.webhook =
            Self.flag(profile.webhookEnabled ?? profile.webhook) ?? profile.webhookID.map { !$0.isEmpty } ?? true
        return config
    }

    private static func flag(_ text: String?) -> Bool? {
        text.map { $0 == "true" }
    }

    // MARK: Things

    /// - Returns: none in place of what is no object, or too long.
    package static func metadata(_ text: String?) -> (text: String, isTaken: Bool) {
        guard let text, text != "null" else { return ("{}", true) }
        let isObject = RawJSON(Array(text.utf8))?.kind == .object
        return isObject && text.utf8.count <= Metadata.largest ? (text, true) : ("{}", false)
    }

    /// A key as long as Mainflux allows may be stored, but not one that no client could send.
    package static func key(_ text: String) throws(InvalidField) -> StoredKey {
        guard (1...4_096).contains(text.utf8.count), !text.utf8.contains(0) else {
            throw InvalidField("key", "must be 1 to 4096 bytes without a zero byte")
        }
        return StoredKey(text)
    }

    // MARK: Members

    package static func member(_ member: MainfluxMember) throws(InvalidField) -> Member {
        guard let role = Role(rawValue: member.role) else {
            throw InvalidField("role", "is \(member.role.debugDescription), which is none of a group's roles")
        }
        return Member(id: try Name.checked(member.member, field: "member_id"), role: role)
    }

    // MARK: Webhooks

    /// A webhook of one thing fires for that thing alone.
    ///
    /// - Throws: what of it Hookline does not allow.
    package static func draft(_ webhook: MainfluxWebhook, named name: String) throws(InvalidField) -> WebhookDraft {
        guard let headers = try? JSONDecoder().decode([String: String].self, from: Data(webhook.headersJSON.utf8))
        else {
            throw InvalidField("headers", "must be an object of texts")
        }
        var options = WebhookOptions()
        if let thing = webhook.thing { options.trigger = Trigger(things: [thing.description]) }
        return try WebhookDraft(
            name: name, url: webhook.url,
            headers: headers.sorted { $0.key < $1.key }.map { Header(name: $0.key, value: $0.value) },
            options: options)
    }

    /// Webhooks' names are unique within a group here; there they were so within a thing, or not at all.
    ///
    /// - Parameter taken: names that the group has; the one found is added.
    package static func uniqueName(_ name: String, among taken: inout Set<String>) -> String {
        if taken.insert(name).inserted { return name }
        let base = String(String.UnicodeScalarView(name.unicodeScalars.prefix(240)))
        for number in 2... {
            let candidate = "\(base) (\(number))"
            if taken.insert(candidate).inserted { return candidate }
        }
        preconditionFailure("numbers do not end")
    }
}
