/// What comes behind `messages/` for an event: a template whose placeholders are of the payload, or `{query.<name>}` of the url
/// that was called, where senders say in the url what kind of event it is (ChirpStack's `?event=up`).
struct EventSubtopic: Sendable {
    private enum Part: Sendable {
        case template(Template)
        case parameter(String)
    }

    /// Why there is no subtopic, in words for the event's sender.
    struct Failure: Error { let reason: String }

    private static let longestName = 64
    private let parts: [Part]

    var placeholders: [Placeholder] {
        self.parts.flatMap { part -> [Placeholder] in
            if case .template(let template) = part { template.placeholders } else { [] }
        }
    }

    /// Values become levels of a topic, so the text itself must be good for that.
    init(_ text: String) throws(InvalidField) {
        guard text.unicodeScalars.count <= 254, TopicText.isPublishable(text) else {
            throw InvalidField("subtopic", "must be at most 254 characters without +, # and control characters")
        }
        var (parts, rest) = ([Part](), text[...])
        while let place = Self.parameter(in: rest) {
            parts.append(.template(try Self.template(rest[..<place.lowerBound])))
            let after = rest[place.upperBound...]
            let name = after.prefix { $0 != "}" }
            guard name.endIndex < after.endIndex, Self.isName(name) else {
                throw InvalidField("subtopic", "must name parameters of the url as {query.event}")
            }
            // It would put the source's key on the bus.
            guard name != "key" else { throw InvalidField("subtopic", "cannot have {query.key}, which is secret") }
            parts.append(.parameter(String(name)))
            rest = after[after.index(after: name.endIndex)...]
        }
        parts.append(.template(try Self.template(rest)))
        self.parts = parts
    }

    func render(_ values: borrowing TemplateValues, _ query: [String: String]) throws(Failure) -> String {
        var text = ""
        for part in self.parts {
            switch part {
            case .template(let template):
                do throws(RenderFailure) { text += String(decoding: try template.render(values), as: UTF8.self) } catch
                {
                    throw Failure(reason: "no subtopic can be made of the payload: \(error)")
                }
            case .parameter(let name):
                guard let value = query[name] else {
                    throw Failure(reason: "no subtopic can be made: the url has no \(name)")
                }
                text += value
            }
        }
        return text
    }

    /// Where one begins; a brace behind another one is text.
    private static func parameter(in text: Substring) -> Range<Substring.Index>? {
        var from = text.startIndex
        while let place = text[from...].firstRange(of: "{query.") {
            var braces = 0
            for character in text[..<place.lowerBound].reversed() {
                guard character == "{" else { break }
                braces += 1
            }
            if braces.isMultiple(of: 2) { return place }
            from = place.upperBound
        }
        return nil
    }

    private static func isName(_ name: Substring) -> Bool {
        (1...Self.longestName).contains(name.utf8.count)
            && name.utf8.allSatisfy { $0.isUnreserved && $0 != UInt8(ascii: "~") }
    }

    private static func template(_ text: Substring) throws(InvalidField) -> Template {
        do throws(Template.Refusal) {
            let template = try Template(String(text), kind: .text)
            guard template.placeholders.allSatisfy(\.isOfPayload) else {
                throw Template.Refusal(reason: "may have placeholders of the payload only", position: 1)
            }
            return template
        } catch {
            throw InvalidField("subtopic", error.reason)
        }
    }
}
