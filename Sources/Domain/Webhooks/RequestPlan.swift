/// A webhook's requests, ready to be made: every template read, everything that never changes put together.
package struct RequestPlan: Sendable {
    enum Body: Sendable {
        case payload
        case none
        case json(Template)
        case text(Template)
        case form([(key: String, value: Template)])
    }

    package let method: RequestSpec.Method
    package let format: RequestSpec.Format
    let target: Template
    let headers: [(name: String, value: Template)]
    let query: [(key: String, value: Template)]
    /// nil where path and query are the same for all messages.
    let loggedTarget: LoggedTarget?
    let body: Body
    let contentType: RequestSpec.BodyType
    package let batching: Batching?
    /// What of a thing is needed beyond its id.
    package let extent: ThingFacts.Extent
    package var needsFacts: Bool { self.extent > .nothing }
    /// Whether what a message crossed is needed.
    package let needsCrossing: Bool
    /// Whether what a publish said of itself is.
    package let needsProperties: Bool
    let forwarding: PropertyForwarding?
    /// What is asked of the payload.
    let paths: PathSet

    /// - Parameter isLenient: takes a template that cannot be read for plain text. For what was stored before there were
    ///   templates.
    /// - Throws: ``InvalidField``, named as the API names it.
    package init(
        url: WebhookURL, headers: [Header], options: WebhookOptions, isLenient: Bool = false
    ) throws(InvalidField) {
        func template(_ text: String, _ kind: Template.Kind, _ field: String) throws(InvalidField) -> Template {
            do throws(Template.Refusal) { return try Template(text, kind: kind) } catch {
                if isLenient { return Template(literal: text, kind: kind) }
                throw InvalidField(field, error.reason)
            }
        }
        let spec = options.request
        self.method = spec.method
        self.format = spec.format
        self.contentType = spec.contentType
        self.batching = options.batching
        self.target = try template(url.target, .url, "url")
        var headerTemplates: [(name: String, value: Template)] = []
        for header in headers {
            headerTemplates.append((header.name, try template(header.value, .header, "headers.\(header.name)")))
        }
        self.headers = headerTemplates
        var rows: [(key: String, value: Template)] = []
        for (index, row) in spec.query.enumerated() {
            rows.append((row.key, try template(row.value, .form, "query[\(index)].value")))
        }
        self.query = rows
        let varies = self.target.hasPlaceholders || rows.contains { $0.value.hasPlaceholders }
        self.loggedTarget = varies ? LoggedTarget(self.target, rows) : nil
        switch spec.body {
        case nil:
            switch spec.method {
            case .get, .delete: self.body = .none
            case .post, .put, .patch: self.body = .payload
            }
        case .json(let text)?: self.body = .json(try template(text, .json, "body"))
        case .text(let text)?: self.body = .text(try template(text, .text, "body"))
        case .form(let fields)?:
            var rows: [(key: String, value: Template)] = []
            for (index, row) in fields.enumerated() {
                rows.append((row.key, try template(row.value, .form, "body[\(index)].value")))
            }
            self.body = .form(rows)
        }
        let templates = [self.target] + headerTemplates.map(\.value) + rows.map(\.value) + self.body.templates
        let placeholders = templates.flatMap(\.placeholders)
        self.extent = placeholders.map(\.extent).max() ?? .nothing
        self.needsCrossing = placeholders.contains(where: \.isOfCrossing)
        self.forwarding = spec.forwarding
        self.needsProperties = spec.forwarding != nil || placeholders.contains(where: \.isOfProperties)
        self.paths = PathSet(placeholders.flatMap(\.paths))
        guard !isLenient else { return }
        try self.check(spec)
        try spec.forwarding?.check(besides: headers)
    }

    private func check(_ spec: RequestSpec) throws(InvalidField) {
        try Self.check(spec.query, "query")
        if case .form(let rows)? = spec.body { try Self.check(rows, "body") }
        if spec.method == .get, spec.body != nil { throw InvalidField("body", "does not go with the method GET") }
        switch spec.body {
        case .json(let text)?, .text(let text)?:
            guard text.utf8.count <= RequestSpec.longestBody else {
                throw InvalidField("body", "must be at most \(RequestSpec.longestBody) bytes long")
            }
        default: break
        }
        if case .json(let template) = self.body {
            // Whatever a message holds, what is filled in for it has the same form as what is missing.
            let empty = Message(
                id: MessageID(rawValue: 0), thing: Message.noThing, group: Message.noThing, subtopic: "",
                contentType: "", payload: Array("{}".utf8), traceparent: nil, isKept: false, receivedNanoseconds: nil)
            let rendered: [UInt8]
            do throws(RenderFailure) { rendered = try template.render(TemplateValues(empty, org: nil)) } catch {
                throw InvalidField("body", error.description)
            }
            guard RawJSON(rendered) != nil else {
                throw InvalidField("body", "must be JSON once its placeholders are filled in")
            }
        }
        if self.batching != nil {
            let shared = [self.target] + self.headers.map(\.value) + self.query.map(\.value)
            guard shared.flatMap(\.placeholders).allSatisfy(\.isOfGroup) else {
                throw InvalidField(
                    "batch", "takes placeholders of single messages in the body only: url, query and headers are one")
            }
            guard self.forwarding == nil else {
                throw InvalidField("forward_properties", "does not go with batch, where headers are one")
            }
        }
        if self.format == .cloudEvents {
            let own = ["ce-id", "ce-source", "ce-type", "ce-specversion", "ce-time", "ce-subject"]
            if let header = self.headers.first(where: { own.contains($0.name.lowercased()) }) {
                throw InvalidField("headers.\(header.name)", "is set by format cloudevents")
            }
        }
    }

    private static func check(_ rows: [RequestSpec.Row], _ field: String) throws(InvalidField) {
        guard rows.count <= RequestSpec.mostRows else {
            throw InvalidField(field, "must hold at most \(RequestSpec.mostRows) rows")
        }
        for (index, row) in rows.enumerated() {
            guard (1...RequestSpec.longestKey).contains(row.key.unicodeScalars.count) else {
                throw InvalidField(
                    "\(field)[\(index)].key", "must be 1 to \(RequestSpec.longestKey) characters long")
            }
            guard row.value.unicodeScalars.count <= Header.longestValue else {
                throw InvalidField(
                    "\(field)[\(index)].value", "must be at most \(Header.longestValue) characters long")
            }
        }
    }

    /// Whether path and query differ from message to message.
    package var hasVaryingTarget: Bool { self.loggedTarget != nil }

    /// Whether each request is the same head, and the payload as it came.
    var isPlain: Bool {
        guard case .payload = self.body else { return false }
        return self.method == .post && self.format == .plain && self.contentType == .profile && self.batching == nil
            && self.query.isEmpty && self.forwarding == nil && self.target.isVerbatim
            && self.headers.allSatisfy(\.value.isVerbatim)
    }
}

extension RequestPlan.Body {
    var templates: [Template] {
        switch self {
        case .payload, .none: []
        case .json(let template), .text(let template): [template]
        case .form(let rows): rows.map(\.value)
        }
    }
}
