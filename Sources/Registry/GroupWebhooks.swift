package import Domain
package import Values

/// The webhooks of a group, with what their messages ask of them.
package struct GroupWebhooks: Sendable {
    /// In the order of their keys.
    package let all: [WebhookTarget]
    /// What was written by transactions from this number on (`xid8`) may not be here.
    let seen: Int64
    /// The user that the group counts for; nil if there is none, or it does not matter.
    let user: ExactText?
    /// Those that messages go to: all but the disabled.
    let receiving: [WebhookTarget]
    /// Whether things' silence matters to one of them.
    let isWatched: Bool
    /// Whether what a publish said of itself matters to one that messages go to.
    let needsProperties: Bool
    /// What the conditions of those that messages go to ask of a payload.
    let conditionPaths: PathSet
    /// What they choose things by.
    let selectors: Selectors

    /// - Parameters:
    ///   - all: in the order of their keys.
    ///   - former: as the group was known.
    init(_ all: [WebhookTarget], seen: Int64, user: ExactText?, from former: GroupWebhooks?) {
        self.all = all
        self.user = user
        self.seen = seen
        // Nearly always they are the same, and then so is the memory.
        self.receiving = all.allSatisfy(\.receivesMessages) ? all : all.filter(\.receivesMessages)
        self.isWatched = all.contains { $0.status != .disabled && $0.filter.kind == .thingSilent }
        self.needsProperties = self.receiving.contains(where: \.needsProperties)
        var selectors = Selectors()
        for webhook in all where webhook.choosesThings { selectors.add(webhook.options.trigger) }
        self.selectors = selectors
        // Most changes are to something else, and there may be many paths.
        let asked = self.receiving.conditionPaths
        if let former, former.receiving.conditionPaths.elementsEqual(asked) {
            self.conditionPaths = former.conditionPaths
        } else {
            self.conditionPaths = PathSet(asked.joined(), most: Conditions.mostPlaces)
        }
    }

    /// The webhook as it is known, if it is the same.
    func keeping(_ webhook: WebhookTarget) -> WebhookTarget {
        let index = self.all.place(of: webhook.key)
        return index < self.all.count && self.all[index].key == webhook.key && self.all[index].isSame(as: webhook)
            ? self.all[index] : webhook
    }

    /// What has become of a group's webhooks: worked out beside the routes, so that who waits for them waits for no more than
    /// what has changed.
    package struct Change: Sendable {
        let group: EntityID
        let webhooks: GroupWebhooks?
        let removed: [WebhookKey]
        let changed: [WebhookTarget]
        /// Whether it was known, and counts for another user now.
        private let isOfAnotherUser: Bool

        /// The webhooks for which something is otherwise than it was.
        var concerned: [WebhookKey] {
            self.removed + (self.isOfAnotherUser ? self.webhooks?.all ?? [] : self.changed).map(\.key)
        }

        /// - Parameters:
        ///   - former: as the group was known. Targets that did not change stay the same objects.
        ///   - webhooks: all there are now.
        ///   - seen: see ``GroupWebhooks/seen``.
        ///   - user: see ``GroupWebhooks/user``.
        package init(
            of group: EntityID, from former: GroupWebhooks?, to webhooks: [WebhookTarget], seen: Int64 = 0,
            user: ExactText? = nil
        ) {
            let written = webhooks.sorted { $0.key.rawValue < $1.key.rawValue }
            var (known, removed, changed) = ((former?.all ?? [])[...], [WebhookKey](), [WebhookTarget]())
            let merged = written.map { webhook in
                while let first = known.first, first.key.rawValue < webhook.key.rawValue {
                    removed.append(first.key)
                    known.removeFirst()
                }
                if let same = known.first, same.key == webhook.key {
                    known.removeFirst()
                    if same.isSame(as: webhook) { return same }
                }
                changed.append(webhook)
                return webhook
            }
            self.group = group
            self.webhooks = merged.isEmpty ? nil : GroupWebhooks(merged, seen: seen, user: user, from: former)
            self.removed = removed + known.map(\.key)
            self.changed = changed
            self.isOfAnotherUser = former.map { $0.user != user } ?? false
        }

        /// What was written takes the place of what was; the others stay as they are without being looked at.
        ///
        /// - Parameters:
        ///   - written: in the order of their keys.
        ///   - removed: those that are gone.
        init(
            of group: EntityID, from former: GroupWebhooks, written: [WebhookTarget], removed: Set<WebhookKey>,
            seen: Int64, user: ExactText?
        ) {
            var (all, changed) = (former.all, [WebhookTarget]())
            if !removed.isEmpty { all.removeAll { removed.contains($0.key) } }
            for webhook in written where !removed.contains(webhook.key) {
                let index = all.place(of: webhook.key)
                if index < all.count, all[index].key == webhook.key {
                    if all[index].isSame(as: webhook) { continue }
                    all[index] = webhook
                } else {
                    all.insert(webhook, at: index)
                }
                changed.append(webhook)
            }
            self.group = group
            self.webhooks = all.isEmpty ? nil : GroupWebhooks(all, seen: seen, user: user, from: former)
            self.removed = Array(removed)
            self.changed = changed
            self.isOfAnotherUser = former.user != user
        }
    }
}

extension WebhookTarget {
    fileprivate func isSame(as other: WebhookTarget) -> Bool {
        self.version == other.version && self.fault == other.fault
    }
}

extension [WebhookTarget] {
    /// What each asks of a payload that asks anything.
    fileprivate var conditionPaths: some Sequence<[JSONPath]> { self.lazy.compactMap(\.askedPaths) }

    /// The index of the first whose key is not below this one.
    fileprivate func place(of key: WebhookKey) -> Int {
        var (low, high) = (0, self.count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle].key.rawValue < key.rawValue { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
