package import Domain
package import Journal
internal import Observability

/// What delivery needs of the rest of the service.
package struct DeliveryPorts: Sendable {
    /// A webhook as it now is, or nil if it is gone.
    package let target: @Sendable (WebhookKey) -> WebhookTarget?
    /// Those that were changed or removed since it was asked last.
    package let changedWebhooks: @Sendable () -> Set<WebhookKey>
    /// All webhooks there are.
    package let webhooks: @Sendable () -> [WebhookTarget]
    /// What is known of a message's thing beyond its id, as the message's group has or had it.
    package let facts: @Sendable (Message) -> ThingFacts
    /// Takes answers for things; nil if there is no broker to give them to.
    package let responses: ResponsePort?
    package let tally: WebhookTally

    package init(
        target: @escaping @Sendable (WebhookKey) -> WebhookTarget?,
        changedWebhooks: @escaping @Sendable () -> Set<WebhookKey>,
        webhooks: @escaping @Sendable () -> [WebhookTarget], facts: @escaping @Sendable (Message) -> ThingFacts,
        responses: ResponsePort?, tally: WebhookTally
    ) {
        self.target = target
        self.changedWebhooks = changedWebhooks
        self.webhooks = webhooks
        self.facts = facts
        self.responses = responses
        self.tally = tally
    }
}
