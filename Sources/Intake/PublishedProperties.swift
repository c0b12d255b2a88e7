internal import Domain
internal import MQTT
internal import Registry
internal import Values

extension MessageProperties {
    /// What is kept of what a publish said of itself: all of it if a webhook of the group may ask for it, or the message is kept;
    /// otherwise for how long it is of use.
    ///
    /// - Parameter noting: how many were over the bounds.
    @inline(never)
    convenience init?(_ received: ReceivedMessage, by route: Routes.Resolution, noting leftOut: inout Int) {
        var parts = Parts()
        let found = received.properties
        parts.expiry = (found?.expiry).map(Int64.init)
        guard route.needsProperties || route.profile.write else {
            guard parts.expiry != nil else { return nil }
            self.init(parts)
            return
        }
        parts.topic = received.topic
        parts.qos = Int(received.qos)
        parts.isRetained = received.isRetained
        parts.contentType = found?.contentType
        parts.responseTopic = found?.responseTopic
        parts.correlationData = found?.correlationData
        parts.user = found?.user ?? []
        parts.leftOut = found?.leftOut ?? 0
        leftOut += parts.leftOut
        self.init(parts)
    }
}

extension ReceivedMessage {
    /// What it is as a message of a thing, with its payload or a part of it.
    ///
    /// - Parameters:
    ///   - isMadeJSON: whether the payload is JSON that a topic rule has cut out or made, whatever the profile says of its things.
    ///   - now: monotonic, in nanoseconds.
    ///   - leftOut: counts properties that were over the bounds.
    @inline(__always)
    func message(
        _ id: MessageID, of thing: EntityID, on subtopic: String, _ payload: [UInt8], isMadeJSON: Bool = false,
        by route: Routes.Resolution, at now: Int64, noting leftOut: inout Int
    ) -> Message {
        Message(
            id: id, thing: thing, group: route.group, subtopic: subtopic,
            contentType: isMadeJSON ? ProfileConfig.defaultContentType : self.type(by: route.profile),
            payload: payload, traceparent: SpanContext.checked(self.traceparent), isKept: route.profile.write,
            receivedNanoseconds: now, decoder: isMadeJSON ? nil : route.profile.decoder?.chosen(for: subtopic),
            properties: self.properties(by: route, noting: &leftOut))
    }

    /// nil for most, at the cost of a look.
    @inline(__always)
    private func properties(by route: Routes.Resolution, noting leftOut: inout Int) -> MessageProperties? {
        self.properties == nil && !route.needsProperties
            ? nil : MessageProperties(self, by: route, noting: &leftOut)
    }

    /// What the message's type is.
    @inline(__always)
    private func type(by profile: ProfileConfig) -> String {
        profile.takesPublishedType ? profile.type(published: self.properties?.contentType) : profile.contentType
    }
}
