internal import Domain
internal import Hummingbird
internal import Registry

/// `/things/{id}/explain`: why a message of the thing arrives, or does not.
struct ExplainRoutes: Sendable {
    let explainer: Explainer
    let access: Access
    let webhooks: WebhookStore

    func add(to routes: RouterGroup<APIContext>) {
        routes.post("things/:id/explain") { try await self.explain($0, $1) }
    }

    /// `{"subtopic"?, "payload"?: any, "payload_base64"?, "webhook_id"?}`.
    private func explain(_ request: Request, _ context: APIContext) async throws -> Response {
        let thing = try await self.access.thing(context, needing: .viewer)
        let role = try await self.access.requireGroup(.viewer, thing.group, for: context.caller())
        let object = try JSONObject(try await JSON.optionalBody(of: request, as: .question), at: "")
        let isGiven = [object.fields["payload"], object.fields["payload_base64"]].contains { value in
            if case nil = value { false } else if case .null? = value { false } else { true }
        }
        let answer = try await self.explainer.explain(
            thing.id, in: thing.group, subtopic: try TryRoutes.subtopic(object),
            payload: isGiven ? try TryRoutes.payload(object) : nil,
            isWritten: isGiven && (try object.string("payload_base64")) == nil, webhook: try object.id("webhook_id"))
        let ids = answer.explanation.webhooks.map(\.target.id)
        let orgs = try await self.webhooks.definitions(of: ids)
        return try Response.json(ExplanationDTO(answer, orgs: Set(orgs.keys), seenBy: role))
    }
}

struct ExplanationDTO: Encodable {
    /// Whether the message is the one given, the newest that is kept, or missing.
    let message_source: String
    /// The one that is kept, if it was asked about.
    let message: MessageDTO?
    let subtopic: String
    let steps: [StepDTO]
    let webhooks: [WebhookDTO]
    let webhooks_total: Int

    struct StepDTO: Encodable {
        let check: String
        let ok: Bool
        let reason: String
        let rules: [RuleDTO]?

        init(_ step: ExplainedStep) {
            self.check = step.check.rawValue
            self.ok = step.isOK
            self.reason = step.reason
            self.rules = step.findings.isEmpty ? nil : step.findings.map(RuleDTO.init)
        }
    }

    struct RuleDTO: Encodable {
        let rule: String
        let ok: Bool
        /// The beginning of what was found, as JSON text.
        let found: String?
        let before: String?

        init(_ finding: ConditionSet.Finding) {
            self.rule = finding.rule
            self.ok = finding.isMet
            self.found = finding.found
            self.before = finding.before
        }
    }

    struct WebhookDTO: Encodable {
        let webhook: NameDTO
        let would: String
        let steps: [StepDTO]
    }

    struct NameDTO: Encodable {
        let id: String
        let name: String
        let url: String
    }

    /// - Parameter orgs: the webhooks that are copies of the org's.
    init(_ answer: Explainer.Answer, orgs: Set<EntityID> = [], seenBy role: Role) {
        switch answer.message.origin {
        case .given: self.message_source = "given"
        case .kept: self.message_source = "newest"
        case .missing: self.message_source = "missing"
        }
        self.message = answer.kept.map(MessageDTO.init)
        self.subtopic = answer.message.subtopic
        self.steps = answer.explanation.steps.map(StepDTO.init)
        self.webhooks = answer.explanation.webhooks.map { webhook in
            WebhookDTO(
                webhook: NameDTO(
                    id: webhook.target.id.description, name: answer.names[webhook.target.key] ?? "",
                    url: ShownURL.text(
                        webhook.target.url.text, to: orgs.contains(webhook.target.id) ? .viewer : role)),
                would: webhook.would.rawValue, steps: webhook.steps.map(StepDTO.init))
        }
        self.webhooks_total = answer.total
    }
}
