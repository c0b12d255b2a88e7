package import Domain
package import Journal
internal import Observability

/// What delivery needs of the rest of the service.
package struct DeliveryPorts: Sendable {
    /// A webhook as it now is, or nil if it is gone.
    package let target: @Sendable (WebhookKey) -> WebhookTarget?
    /// All webhooks there are.
    package let webhooks: @Sendable () -> [WebhookTarget]
    /// What is known of a thing beyond its id.
    package let facts: @Sendable (EntityID) -> ThingFacts
    /// Takes answers for things; nil if there is no broker to give them to.
    package let responses: ResponsePort?
    package let tally: WebhookTally

    package init(
        target: @escaping @Sendable (WebhookKey) -> WebhookTarget?,
        webhooks: @escaping @Sendable () -> [WebhookTarget], facts: @escaping @Sendable (EntityID) -> ThingFacts,
        responses: ResponsePort?, tally: WebhookTally
    ) {
        self.target = target
        self.webhooks = webhooks
        self.facts = facts
        self.responses = responses
        self.tally = tally
    }
}
