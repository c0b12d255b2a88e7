package import Domain
package import Journal
internal import Observability
package import Values

/// What delivery needs of the rest of the service.
package struct DeliveryPorts: Sendable {
    /// A webhook as it now is, or nil if it is gone.
    package let target: @Sendable (WebhookKey) -> WebhookTarget?
    /// Those that were changed or removed since it was asked last.
    package let changedWebhooks: @Sendable () -> Set<WebhookKey>
    /// All webhooks there are.
    package let webhooks: @Sendable () -> [WebhookTarget]
    /// What is known of a thing beyond its id, as its message's group has or had it; nil if so much of it has to be
    /// read first.
    package let facts: @Sendable (ThingFacts.Subject, ThingFacts.Extent) -> ThingFacts?
    /// Reads it, and answers every one that was asked for.
    package let readFacts:
        @Sendable (Set<ThingFacts.Subject>, ThingFacts.Extent) async throws -> [ThingFacts.Subject: ThingFacts]
    /// Takes answers for things; nil if there is no broker to give them to.
    package let responses: ResponsePort?
    /// Whether a topic that is not below `things/` is the thing's own by rules of the group.
    package let isOwnTopic: @Sendable (_ topic: String, _ thing: EntityID, _ group: EntityID) -> Bool
    /// The user that a group counts for; nil is nobody. It is asked before each request if users' requests are limited.
    package let user: @Sendable (_ group: EntityID) -> ExactText?
    package let tally: WebhookTally
    /// What receivers send commands with; nil if they cannot.
    package let commandKeys: CommandKeys?

    package init(
        target: @escaping @Sendable (WebhookKey) -> WebhookTarget?,
        changedWebhooks: @escaping @Sendable () -> Set<WebhookKey>,
        webhooks: @escaping @Sendable () -> [WebhookTarget],
        facts: @escaping @Sendable (ThingFacts.Subject, ThingFacts.Extent) -> ThingFacts?,
        readFacts:
            @escaping @Sendable (Set<ThingFacts.Subject>, ThingFacts.Extent) async throws ->
            [ThingFacts.Subject: ThingFacts],
        responses: ResponsePort?,
        isOwnTopic: @escaping @Sendable (_ topic: String, _ thing: EntityID, _ group: EntityID) -> Bool = { _, _, _ in
            false
        }, user: @escaping @Sendable (_ group: EntityID) -> ExactText? = { _ in nil },
        tally: WebhookTally, commandKeys: CommandKeys? = nil
    ) {
        self.isOwnTopic = isOwnTopic
        self.target = target
        self.changedWebhooks = changedWebhooks
        self.webhooks = webhooks
        self.facts = facts
        self.readFacts = readFacts
        self.responses = responses
        self.user = user
        self.tally = tally
        self.commandKeys = commandKeys
    }
}
