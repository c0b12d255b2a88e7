/// What can be made of several messages in one request.
package struct RenderedBatch: Sendable {
    /// nil if nothing can be made of any of them.
    package let request: RenderedRequest?
    /// How many of the messages it is about, from the first on: the others were too much for one request.
    package let taken: Int
    /// Those of them that are not in it, by their place, and why.
    package let failures: [(index: Int, failure: RenderFailure)]
}

extension RequestPlan {
    /// Several messages in one request: the elements of an array, or a line each. One that no element can be made of does not
    /// keep the others from being sent.
    ///
    /// - Throws: what is wrong with more than single messages.
    package func render(
        batch messages: [Message], org: EntityID?, facts: (Message) -> ThingFacts
    ) throws(RenderFailure) -> RenderedBatch {
        let isArray = self.batching?.form != .ndjson
        var body: [UInt8] = isArray ? [UInt8(ascii: "[")] : []
        var failures: [(index: Int, failure: RenderFailure)] = []
        var taken = 0
        var first: Message?
        for (index, message) in messages.enumerated() {
            let values = TemplateValues(
                message, org: org, facts: self.needsFacts || self.needsCrossing ? facts(message) : .unknown,
                paths: self.paths)
            do throws(RenderFailure) {
                let item = try self.renderItem(values, isLine: !isArray)
                // Room for what comes before and behind it.
                if first != nil, body.count + item.count + 2 > RenderedRequest.longestBody { break }
                if first != nil { body.append(isArray ? UInt8(ascii: ",") : UInt8(ascii: "\n")) }
                body += item
                first = first ?? message
            } catch {
                failures.append((index, error))
            }
            taken = index + 1
        }
        guard let first else { return RenderedBatch(request: nil, taken: taken, failures: failures) }
        body.append(isArray ? UInt8(ascii: "]") : UInt8(ascii: "\n"))
        let request = try self.request(TemplateValues(first, org: org, paths: self.paths), body: body, of: first)
        return RenderedBatch(request: request, taken: taken, failures: failures)
    }

    /// The request that is made of these messages, as a lane makes it: of one, or of several if the webhook takes several.
    package func request(
        of messages: [Message], org: EntityID?, facts: (Message) -> ThingFacts
    ) throws(RenderFailure) -> RenderedRequest {
        guard let first = messages.first else { throw RenderFailure("no message") }
        guard self.batching != nil else { return try self.render(first, org: org, facts: facts(first)) }
        let batch = try self.render(batch: messages, org: org, facts: facts)
        guard let request = batch.request else { throw batch.failures.first?.failure ?? RenderFailure("no message") }
        return request
    }

    private func renderItem(_ values: TemplateValues, isLine: Bool) throws(RenderFailure) -> [UInt8] {
        var item: [UInt8] = []
        let template =
            if case .json(let template) = self.body { template } else {
                values.isText ? Self.envelope : Self.binaryEnvelope
            }
        try template.render(values, into: &item, longest: RenderedRequest.longestBody - 2, what: "the message")
        // A line break inside an item would make two lines of it. None is in a string, where it would be escaped.
        return isLine ? item.filter { $0 != 0x0A && $0 != 0x0D } : item
    }

    /// What stands for a message in a batch unless the webhook has a template of its own.
    private static let envelope = Self.envelope(#""payload":{payload}"#)
    /// The same for a payload that is no text.
    private static let binaryEnvelope = Self.envelope(#""payload":null,"payload_base64":"{payload_base64}""#)

    private static func envelope(_ payload: String) -> Template {
        let text = """
            {"message_id":"{message_id}","thing_id":{thing_id},"subtopic":"{subtopic}","received_at":{received_at},\
            \(payload)}
            """
        guard let template = try? Template(text, kind: .json) else { preconditionFailure("the envelope is a template") }
        return template
    }
}
