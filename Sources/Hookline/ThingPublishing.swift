internal import API
internal import Inbound
internal import MQTT

extension ThingPublisher {
    /// As the API wants it.
    var port: ThingPublishing {
        { payload, topic throws(ThingNotPublished) in
            do throws(ThingPublisher.Failure) { try await self.publish(Publication(payload, to: topic)) } catch {
                switch error {
                case .refused(let refusal): throw .refused(refusal.reason)
                case .unavailable(let reason): throw .unavailable(reason)
                case .unanswered(let reason): throw .unanswered(reason)
                }
            }
        }
    }
}
