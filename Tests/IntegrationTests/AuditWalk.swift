import Foundation
import TestSupport
import Testing

/// Calls each route as its owner would, and gathers what that left in the audit.
struct AuditWalk {
    let installation: Installation
    private(set) var walked: Set<String> = []

    init(_ installation: Installation) { self.installation = installation }

    /// It changes nothing.
    mutating func forget(_ route: String) { self.walked.remove(route) }

    private func newest() async throws -> String {
        try await self.installation.sql("SELECT coalesce(max(id), 0) FROM audit WHERE id < 1::bigint << 62")
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// - Parameters:
    ///   - route: as openapi.json has it.
    ///   - id: what stands for `{id}`.
    ///   - leaves: what is entered, in order: the action and the kind of object.
    @discardableResult
    mutating func call(
        _ route: String, _ id: String = "", _ body: String? = nil, leaves: [String], by api: APIClient? = nil
    ) async throws -> HTTPAnswer {
        self.walked.insert(route)
        let last = try await self.newest()
        let parts = route.split(separator: " ")
        let path = parts[1].replacingOccurrences(of: "{id}", with: id)
        let user = api == nil ? "owner" : "root"
        let answer = try await (api ?? self.installation.api).call(String(parts[0]), path, body)
        #expect((200..<300).contains(answer.status), "\(route): \(answer.status) \(answer.body)")
        let entered = try await self.installation.sql(
            """
            SELECT action || ' ' || object_kind || coalesce(' from ' || address, '') || ' ' || count FROM audit
            WHERE id > \(last) AND actor_kind = 'user' AND actor_id = '\(user)' AND is_root = \(api != nil)
            ORDER BY at, id
            """)
        #expect(
            entered.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
                == leaves.map { "\($0) from 127.0.0.1 1" }, "\(route)")
        return answer
    }
}
