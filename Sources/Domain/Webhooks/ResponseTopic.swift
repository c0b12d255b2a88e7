internal import Values

/// Where a thing hears what was answered: `things/<thing_id>/responses/…`.
///
/// It can be made only of the thing and of levels below, so whatever a webhook's owners write and a message carries, nothing is
/// published where another thing, a user or Hookline itself listens.
package struct ResponseTopic: Sendable, Hashable, CustomStringConvertible {
    package let text: String

    package var description: String { self.text }

    static let longest = 254
    /// In bytes, with what is filled in.
    private static let longestFilledIn = 2_048

    /// What a template can stand for.
    fileprivate enum Placeholder: String, CaseIterable {
        case webhook = "{webhook_id}"
        case status = "{status}"
        case subtopic = "{subtopic}"
        case message = "{message_id}"
    }

    /// What is filled in.
    package struct Values {
        let webhook: EntityID
        /// nil if there was no answer.
        let status: Int?
        let subtopic: String
        let delivery: DeliveryID

        package init(webhook: EntityID, status: Int?, subtopic: String, delivery: DeliveryID) {
            self.webhook = webhook
            self.status = status
            self.subtopic = subtopic
            self.delivery = delivery
        }

        fileprivate func text(of placeholder: Placeholder) -> String {
            switch placeholder {
            case .webhook: "\(self.webhook)"
            case .status: self.status.map(String.init) ?? "error"
            case .subtopic: self.subtopic
            case .message: self.delivery.text
            }
        }
    }

    /// - Parameter template: levels, as `weather/{subtopic}`; nil is the webhook's id. Levels that come to nothing are left out.
    /// - Returns: nil if what a message carries cannot be published on.
    package init?(of thing: EntityID, _ template: String?, _ values: Values) {
        let filledIn = (template ?? Placeholder.webhook.rawValue).parts(between: "/").map { level in
            Self.pieces(of: level).map { piece in
                Placeholder(rawValue: String(piece)).map(values.text) ?? String(piece)
            }.joined()
        }
        let levels = filledIn.joined(separator: "/").parts(between: "/").filter { !$0.isEmpty }.joined(separator: "/")
        guard TopicText.isPublishable(levels), levels.utf8.count <= Self.longestFilledIn else { return nil }
        self.text = "things/\(thing)/responses/\(levels.isEmpty ? "\(values.webhook)" : levels)"
    }

    /// Why a template cannot be taken; nil if it can.
    static func fault(of template: String) -> String? {
        guard (1...Self.longest).contains(template.unicodeScalars.count) else {
            return "must be 1 to \(Self.longest) characters long"
        }
        let levels = template.parts(between: "/")
        guard levels.allSatisfy({ !$0.isEmpty }) else {
            return "must be levels below things/<thing_id>/responses/, with no slash before, behind or twice"
        }
        for piece in levels.flatMap(Self.pieces) where Placeholder(rawValue: String(piece)) == nil {
            guard TopicText.isPublishable(piece), !piece.has("{"), !piece.has("}") else {
                let names = Placeholder.allCases.map(\.rawValue).joined(separator: ", ")
                return "must hold neither + nor # nor control characters, and of braces only \(names)"
            }
        }
        return nil
    }

    /// A level, cut where a brace opens and behind where it closes.
    private static func pieces(of level: Substring) -> [Substring] {
        var pieces: [Substring] = []
        var rest = level
        while let open = rest.unicodeScalars.firstIndex(of: "{"),
            let close = rest[open...].unicodeScalars.firstIndex(of: "}")
        {
            if open > rest.startIndex { pieces.append(rest[..<open]) }
            let end = rest.unicodeScalars.index(after: close)
            pieces.append(rest[open..<end])
            rest = rest[end...]
        }
        return rest.isEmpty ? pieces : pieces + [rest]
    }
}
