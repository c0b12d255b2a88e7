import Domain
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import Observability
import Postgres
import Testing
import Values

@testable import API
@testable import Journal
@testable import Queue
@testable import Registry
@testable import Schema

/// `/openapi.json` against what is really answered: schemathesis tries what it describes, this is about what it leaves out.
@Suite("openapi.json")
struct OpenAPITests {
    private struct Description: Decodable {
        struct Operation: Decodable {
            let summary: String?
            let responses: [String: Answer]
            struct Answer: Decodable {}
        }

        struct Path: Decodable {
            let operations: [String: Operation]

            init(from decoder: any Decoder) throws {
                let container = try decoder.container(keyedBy: AnyKey.self)
                var operations: [String: Operation] = [:]
                for key in container.allKeys where key.stringValue != "parameters" {
                    operations[key.stringValue.uppercased()] = try container.decode(Operation.self, forKey: key)
                }
                self.operations = operations
            }
        }

        struct Schema: Decodable {
            let properties: [String: Anything]?
            struct Anything: Decodable {}
        }

        struct Components: Decodable { let schemas: [String: Schema] }

        let paths: [String: Path]
        let components: Components
    }

    private struct AnyKey: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    private let description: Description

    init() throws {
        self.description = try JSONDecoder().decode(Description.self, from: Data(PackageResources.openapi_json))
    }

    /// Nothing connects before somebody asks for something.
    private func routes() throws -> Set<String> {
        let logger = Logger(label: "test")
        let database = Database(pool: Pool(endpoint: try Endpoint("host=127.0.0.1"), logger: logger))
        let clock = WallClock { 0 }
        let router = makeRouter(
            database: database, box: SecretBox(key: nil),
            identity: Identity(IdentityConfiguration(), fetch: { _ in .failure("nobody asks") }, logger: logger),
            addressGuard: AddressGuard(),
            wallClock: clock, publicURL: nil, broker: .init(url: "mqtt://127.0.0.1", hasAccounts: false),
            ports: APIPorts(
                refresh: { _ in }, test: { _, _, _ in preconditionFailure("nobody asks") }, newestMessage: { _ in nil },
                ids: MessageIDGenerator(slot: 0, now: { 0 }), unreadable: UnreadableRows(logger: logger),
                tail: { _, _ in }),
            system: SystemRoutes(version: "", metrics: Metrics(), servesMetrics: true, readiness: { [] }),
            logger: logger)
        return Set(
            router.routes.map { route in
                let path = "\(route.path)".split(separator: "/").map { segment in
                    // What is behind a thing's messages is the one path of several levels.
                    segment == "**" ? "{subtopic}" : segment.first == ":" ? "{\(segment.dropFirst())}" : segment
                }
                return "\(route.method.rawValue) /\(path.joined(separator: "/"))"
            })
    }

    @Test("describes every route there is, and none that there is not")
    func everyRoute() throws {
        // The console's files are no API.
        let routes = try self.routes().filter { !$0.hasPrefix("GET /console") && !$0.hasPrefix("HEAD ") }
        let described = Set(
            self.description.paths.flatMap { path, item in item.operations.keys.map { "\($0) \(path)" } })
        #expect(routes.subtracting(described).sorted() == [], "not described")
        #expect(described.subtracting(routes).sorted() == [], "not there")
        #expect(described.count > 60)
    }

    @Test("says of every call what it is for, and what it answers when all is well and when not")
    func everyAnswer() {
        let open = ["/health", "/ready", "/metrics", "/openapi.json"]
        for (path, item) in self.description.paths {
            for (method, operation) in item.operations {
                #expect(operation.summary?.isEmpty == false, "\(method) \(path)")
                #expect(operation.responses.keys.contains { $0.hasPrefix("2") }, "\(method) \(path)")
                if !open.contains(path) {
                    #expect(
                        operation.responses.keys.contains { $0.hasPrefix("4") || $0 == "default" }, "\(method) \(path)")
                }
            }
        }
    }

    private static let id = EntityID("00000000-0000-4000-8000-000000000001")!
    private static let delivery = DeliveryID(message: MessageID(rawValue: 1), webhook: WebhookKey(rawValue: 1))

    private static let resend = Resend(
        number: 1, webhook: WebhookKey(rawValue: 1), selection: ResendSelection(), state: .running, requestedAt: .first,
        endedAt: nil, progress: 0, messages: 0, bytes: 0, succeeded: 0, failed: 0, waiting: 0, skipped: 0)

    private static let command = CommandRecord(
        command: Command(id: id, group: id, thing: id, payload: []), state: .pending, bytes: 0, createdBy: "u", hops: 0,
        createdAt: .first, expiresAt: .last, tries: 0, publishedAt: nil, endedAt: nil, answer: nil, problem: nil)

    /// An answer of each kind, with the schema that describes it.
    private func answers() throws -> [(schema: String, value: any Encodable)] {
        let id = Self.id
        let webhook = Webhook(
            id: id, group: id, name: "w", url: try WebhookURL("https://example.com"), headers: [])
        let message = Message(
            id: MessageID(rawValue: 1), thing: id, group: id, subtopic: "", contentType: "text/plain", payload: [],
            traceparent: nil, isKept: false, receivedNanoseconds: nil)
        let asked = ExplainedMessage(thing: id, subtopic: "", payload: [], origin: .given)
        let explained = Explainer.Answer(
            message: asked, kept: nil, explanation: Explanation(of: asked, in: nil, largestPayload: 1) { _ in [:] },
            names: [:], total: 0)
        let source = Source(
            id: id, group: id, name: "s", thing: id, isEnabled: true, settings: SourceSettings(), createdAt: .first,
            updatedAt: .first)
        let entry = LogEntry(
            status: .ok, at: .first, delivery: Self.delivery, thing: nil, response: nil, error: nil,
            latencyMicroseconds: nil, attempt: 1, target: nil, items: 1, dueAt: nil)
        let stats = StatsDTO(WebhookStats(spans: []), by: .hour, from: .first, to: .last)
        let caller = Caller(id: "me", isRoot: false, expiresAt: nil)
        let key = APIKeyRecord(
            group: id, name: "k", role: .viewer, creator: "me", endsWithCreator: true, createdAt: .first,
            expiresAt: .last)
        let audit = AuditEntry(
            at: .first, number: 1, author: .service, action: "created", kind: "thing", object: nil, name: nil,
            group: nil, count: 1, changes: "{}")
        return [
            ("Key", APIKeyDTO(key)),
            ("AuditEntry", try AuditEntryDTO(audit)),
            ("Webhook", WebhookDTO(webhook, seenBy: .owner)),
            ("Explanation", ExplanationDTO(explained, seenBy: .owner)),
            ("ExplainedStep", ExplanationDTO(explained, seenBy: .owner).steps[0]),
            ("Group", GroupDTO(GroupRecord(id: id, org: nil, name: "g"), role: .owner)),
            ("TopicRule", TopicRuleDTO(TopicRuleRecord(id: id, draft: .init(filter: "a/{thing}")), isGranted: true)),
            (
                "TopicRefusal",
                TopicRefusalDTO(.init(reason: "not_json", count: 1, topic: "a/b", at: .first))
            ),
            ("TopicRules", TopicRulesDTO(.init(choice: .all, granted: [], rules: []), [])),
            ("Member", MemberDTO(Member(id: "m", role: .viewer))),
            ("Org", OrgDTO(OrgRecord(id: id, notificationURL: nil), to: caller, role: .viewer)),
            ("OrgGroup", OrgGroupDTO(OrgGroup(id: id, name: "g"))),
            ("OrgMember", MemberDTO(Member(id: "m", role: .viewer))),
            ("Profile", ProfileDTO(ProfileRecord(id: id, group: id, name: "p", configJSON: "{}"))),
            ("DescriptorSet", DescriptorSetDTO([])),
            ("Thing", ThingDTO(ThingRecord(id: id, group: id, profile: id, name: "t"), key: nil)),
            ("ThingsMade", ThingsMadeDTO(rows: 0, things: [])),
            ("RowFault", RowFault(1, InvalidField("name", "is required"))),
            ("Message", MessageDTO(message)),
            ("Command", CommandDTO(Self.command)),
            (
                "Erasure",
                ErasureDTO(
                    Erasure(
                        number: 1, thing: id, requestedAt: .first, finishedAt: nil, messages: 0, entries: 0,
                        waiting: 0))
            ),
            ("Resend", ResendDTO(Self.resend, of: id)),
            ("Source", SourceDTO(source, at: "http://127.0.0.1", seenBy: .owner)),
            ("LogEntry", LogEntryDTO(entry, nil, seenBy: .owner)),
            ("Stats", stats), ("Span", stats.total),
            ("SignIn", SignInDTO(takes_tokens: true, provider: nil)),
            (
                "SignedIn",
                SignedInDTO(.init(bearer: "t", caller: caller, identity: nil, refresh: nil))
            ),
            ("Me", try MeDTO(caller, roles: [:], .init(url: "mqtt://127.0.0.1", hasAccounts: false))),
        ]
    }

    @Test("names every field of a page, those too that are there only now and then")
    func everyFieldOfPages() throws {
        var request = PageRequest()
        request.name = "a"
        let cursor = PageCursor(order: request.orderName, position: 1, key: [nil])
        let page = Page(total: 10_000, isCapped: true, items: [1], next: cursor)
        let json = try JSONEncoder().encode(try PageDTO("numbers", page, request) { $0 })
        let fields = try JSONDecoder().decode([String: Description.Schema.Anything].self, from: json)
        let schema = try #require(self.description.components.schemas["Page"]?.properties)
        #expect(Set(fields.keys) == Set(schema.keys).union(["numbers"]))
    }

    @Test("names every field of what is answered, and none besides")
    func everyField() throws {
        for (name, value) in try self.answers() {
            var fields = Set(Mirror(reflecting: value).children.compactMap(\.label))
            if let webhook = value as? WebhookDTO {
                // What is not set is not answered, and a field all the same.
                let table = DeliveryPolicy.fields.map(\.name) + WebhookOptions.fields.map(\.name)
                fields = Set(Mirror(reflecting: webhook.record).children.compactMap(\.label)).union(table)
            }
            let schema = try #require(self.description.components.schemas[name]?.properties, "\(name)")
            #expect(fields.subtracting(schema.keys).sorted() == [], "\(name): not described")
            #expect(Set(schema.keys).subtracting(fields).sorted() == [], "\(name): not there")
        }
    }
}
