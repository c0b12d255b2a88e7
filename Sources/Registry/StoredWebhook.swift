internal import Domain
internal import Postgres
internal import Schema

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// A webhook's row, read part by part.
///
/// A newer version may have written what this one does not know, a key may be missing, or a byte be wrong. Such a part is
/// named, and takes neither the rest of the row nor any other row along: the webhook is not called, and what comes for it
/// waits. What says which messages come to it is read by itself, so that no more than necessary waits.
struct StoredWebhook: Sendable {
    let url: WebhookURL
    let status: WebhookStatus
    let policy: DeliveryPolicy
    let options: WebhookOptions
    /// As far as they can be read.
    let secrets: WebhookSecrets
    /// Why a seal does not open, if one does not.
    let unopened: SecretBox.Unreadable?
    /// What cannot be read, in words for the webhook's owners; nil if everything can.
    let fault: String?

    /// - Parameters:
    ///   - id: what its seal is bound to: its own, or if it is a copy of an org's webhook that one's.
    ///   - query: of the url, if it is under seal.
    ///   - trigger: the column, which says what makes it fire even where the options cannot be read.
    ///   - sealed: its secrets as they are stored.
    ///   - known: a policy that was read before. Most have the same.
    init(
        of id: EntityID, url: String, query: [UInt8]?, status: String, policy: String, trigger: String, sealed: [UInt8],
        box: SecretBox, known: (json: String, policy: DeliveryPolicy)? = nil
    ) {
        var faults: [String] = []
        let (address, unopenedQuery) = SealedQuery.read(url, query, of: id, by: box, &faults)
        self.url = address
        self.policy =
            if let known, known.json == policy { known.policy } else { PolicyJSON.read(policy, &faults) }
        let (secrets, unopenedSecrets) = WebhookSecrets.read(sealed, by: box, of: id, &faults)
        self.secrets = secrets
        self.unopened = unopenedSecrets ?? unopenedQuery
        self.options = self.secrets.options ?? WebhookOptions(firedBy: trigger, isKnown: faults.isEmpty)
        let stored = WebhookStatus(rawValue: status)
        if stored == nil || stored == .unreadable { faults.append("this version does not know the status \(status)") }
        // What its owners have disabled is disabled, whatever else it is.
        self.status = faults.isEmpty || stored == .disabled ? stored ?? .unreadable : .unreadable
        // The same key may be missing twice.
        var told: Set<String> = []
        self.fault = faults.isEmpty ? nil : faults.filter { told.insert($0).inserted }.joined(separator: "; ")
    }
}

extension WebhookOptions {
    /// Options that are not there or cannot be read, of a webhook whose column says this of its trigger.
    fileprivate init(firedBy trigger: String, isKnown: Bool) {
        self.init()
        guard !isKnown else { return }
        self.trigger = Trigger(kind: TriggerKind(rawValue: trigger) ?? .unknown)
    }
}

extension DecodingError {
    /// Where in the JSON it is. What stands there is left out, as it may be secret.
    var place: String {
        var keys: [any CodingKey]
        switch self {
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            keys = context.codingPath
        case .keyNotFound(let key, let context): keys = context.codingPath + [key]
        @unknown default: keys = []
        }
        return keys.map(\.stringValue).joined(separator: ".")
    }
}

/// Policies as the JSON they are stored as. What an older version did not know has its default.
enum PolicyJSON {
    static func encode(_ policy: DeliveryPolicy) throws -> JSONText {
        JSONText(String(decoding: try JSONEncoder().encode(policy), as: UTF8.self))
    }

    static func read(_ json: String, _ faults: inout [String]) -> DeliveryPolicy {
        do {
            let policy = try JSONDecoder().decode(DeliveryPolicy.self, from: Data(json.utf8))
            try policy.check()
            return policy
        } catch {
            let place = (error as? DecodingError)?.place ?? (error as? InvalidField)?.field ?? ""
            faults.append("this version cannot read its policy\(place.isEmpty ? "" : ".\(place)")")
            return Self.patient(json)
        }
    }

    /// What holds for a webhook whose policy cannot be read: nothing of it is given up early, and unless it certainly wants
    /// no order what comes for it is kept in order.
    private static func patient(_ json: String) -> DeliveryPolicy {
        struct Part: Decodable { let ordering: DeliveryPolicy.StoredOrder? }
        var policy = DeliveryPolicy()
        policy.maxAge = DeliveryPolicy.longestAge
        // That it cannot be read has been told.
        let part = try? JSONDecoder().decode(Part.self, from: Data(json.utf8))
        let order: DeliveryPolicy.StoredOrder = part.map { $0.ordering ?? .none } ?? .thing
        policy.ordering = order == .thing ? .thing : .first
        return policy
    }
}
