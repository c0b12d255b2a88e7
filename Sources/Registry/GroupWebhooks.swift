package import Domain

/// The webhooks of a group, with what their messages ask of them.
package struct GroupWebhooks: Sendable {
    package let all: [WebhookTarget]
    /// What each one's row was when it was read, in the same order: another whenever it is written.
    let stamps: [Int64]
    /// Those that messages go to: all but the disabled.
    let receiving: [WebhookTarget]
    /// Whether things' silence matters to one of them.
    let isWatched: Bool
    /// Whether one of them asks for more of a thing than its id.
    let needsFacts: Bool
    /// What the conditions of those that messages go to ask of a payload.
    let conditionPaths: PathSet

    init(_ all: [WebhookTarget], stamps: [Int64]) {
        self.all = all
        self.stamps = stamps
        self.receiving = all.filter { $0.status != .disabled && $0.isForMessages }
        self.isWatched = all.contains { $0.status != .disabled && $0.filter.kind == .thingSilent }
        self.needsFacts = all.contains { $0.plan.needsFacts }
        self.conditionPaths = PathSet(self.receiving.lazy.compactMap(\.conditions).flatMap(\.paths))
    }

    /// What has become of a group's webhooks: worked out beside the routes, so that who waits for them waits for no more than
    /// what has changed.
    package struct Change: Sendable {
        let group: EntityID
        let webhooks: GroupWebhooks?
        let removed: [WebhookKey]
        let changed: [WebhookTarget]

        /// - Parameters:
        ///   - former: as the group was known. Targets that did not change stay the same objects.
        ///   - stamps: see ``GroupWebhooks/stamps``.
        package init(
            of group: EntityID, from former: GroupWebhooks?, to webhooks: [WebhookTarget], stamps: [Int64]? = nil
        ) {
            var known = Dictionary(uniqueKeysWithValues: (former?.all ?? []).map { ($0.key, $0) })
            var changed: [WebhookTarget] = []
            let merged = webhooks.map { webhook in
                guard let same = known.removeValue(forKey: webhook.key), same.version == webhook.version,
                    same.fault == webhook.fault
                else {
                    changed.append(webhook)
                    return webhook
                }
                return same
            }
            self.group = group
            self.webhooks =
                merged.isEmpty
                ? nil : GroupWebhooks(merged, stamps: stamps ?? Array(repeating: 0, count: merged.count))
            self.removed = Array(known.keys)
            self.changed = changed
        }
    }
}
