internal import API
internal import Domain
internal import Inbound
internal import MQTT

extension ThingPublisher {
    /// As the API wants it.
    var port: ThingPublishing {
        { payload, topic, properties throws(ThingNotPublished) in
            let publication = Publication(
                payload, to: topic, isRetained: properties.isRetained ?? false,
                properties: Publication.Properties(properties))
            do throws(ThingPublisher.Failure) { try await self.publish(publication) } catch {
                switch error {
                case .refused(let refusal): throw .refused(refusal.reason)
                case .unavailable(let reason): throw .unavailable(reason)
                case .unanswered(let reason): throw .unanswered(reason)
                }
            }
        }
    }
}

extension Publication.Properties {
    /// Of a message that is published by HTTP.
    fileprivate init(_ parts: MessageProperties.Parts) {
        self.init(correlationData: parts.correlationData ?? [])
        self.contentType = parts.contentType
        self.responseTopic = parts.responseTopic
        self.expiry = parts.expiry.map { UInt32(clamping: $0) }
        self.user = parts.user
    }
}
