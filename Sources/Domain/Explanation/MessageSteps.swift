internal import Values

// What is asked of a message, whichever webhook it may be for.

extension Explanation {
    static func topic(of message: ExplainedMessage, in scene: ThingScene? = nil) -> ExplainedStep {
        let topic = "things/\(message.thing)/messages" + (message.subtopic.isEmpty ? "" : "/\(message.subtopic)")
        do throws(ThingTopic.Refusal) {
            let text = "published on \(try ThingTopic(topic).text)"
            guard let topics = scene?.topics, !topics.isEmpty else { return ExplainedStep(.topic, text) }
            let some = topics.prefix(3).joined(separator: ", ") + (topics.count > 3 ? ", …" : "")
            return ExplainedStep(.topic, "\(text), or where a topic rule of its group hears it: \(some)")
        } catch {
            return ExplainedStep(
                .topic, isOK: false,
                "a subtopic has at most \(ThingTopic.longestSubtopic) bytes and no control characters", fate: .ignore)
        }
    }

    static func thing(of message: ExplainedMessage, in scene: ThingScene?) -> ExplainedStep {
        guard let scene else {
            return ExplainedStep(
                .thing, isOK: false, "there is no thing \(message.thing): its messages are refused (unknown_thing)",
                fate: .ignore)
        }
        return ExplainedStep(.thing, "a thing of the group \(scene.group)")
    }

    static func origin(of message: ExplainedMessage) -> ExplainedStep {
        switch message.origin {
        case .given: ExplainedStep(.message, "the one that was given")
        case .kept(let at): ExplainedStep(.message, "the newest that is kept, of \(at.text)")
        case .missing:
            ExplainedStep(
                .message, isOK: false,
                "no message of it is kept (write: true in its profile keeps them): give a payload to ask about conditions"
            )
        }
    }

    /// - Returns: nil if nothing has to be made of the payload.
    static func decoding(by profile: ProfileConfig, _ index: PayloadIndex?, isView: Bool) -> ExplainedStep? {
        guard let index, profile.decoder != nil || profile.refusesUndecoded else { return nil }
        let name = (profile.decoder?.format ?? .json).rawValue
        if isView { return ExplainedStep(.decode, "it is given as the JSON that is made of it (decode: \(name))") }
        guard index.json == nil else {
            return ExplainedStep(
                .decode, profile.decoder == nil ? "it is JSON" : "JSON can be made of it (decode: \(name))")
        }
        let why = index.failure?.description ?? "it is no JSON"
        return profile.refusesUndecoded
            ? ExplainedStep(
                .decode, isOK: false, "\(why): it is refused (decode_failure: refuse)", fate: .ignore)
            : ExplainedStep(
                .decode, isOK: false, "\(why): it is delivered as it is, and has no values (decode_failure: deliver)")
    }

    static func flags(of profile: ProfileConfig) -> [ExplainedStep] {
        [
            profile.webhook
                ? ExplainedStep(.profileWebhook, "its profile sends messages to webhooks (webhook: true)")
                : ExplainedStep(
                    .profileWebhook, isOK: false,
                    "its profile sends no messages to webhooks (webhook: false): set webhook to true there",
                    fate: .ignore),
            ExplainedStep(
                .profileWrite,
                profile.write
                    ? "its profile keeps messages (write: true)" : "its profile keeps no messages (write: false)"),
        ]
    }
}
