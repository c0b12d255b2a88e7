package import Postgres

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// Who changes something, as the audit names them.
package struct Author: Sendable, Equatable {
    package enum Kind: String, Sendable, CaseIterable {
        case user, command, service
        /// At the database itself, or an earlier build.
        case database
        /// Who could not show who they are.
        case anonymous
    }

    package let kind: Kind
    package let id: String?
    /// Where the call came from.
    package let address: String?
    package let isRoot: Bool
    /// Of the API key that was used.
    package let key: String?

    package init(_ kind: Kind, id: String?, address: String? = nil, isRoot: Bool = false, key: String? = nil) {
        self.kind = kind
        self.id = id
        self.address = address
        self.isRoot = isRoot
        self.key = key
    }

    /// The service itself, if nobody asks it to.
    package static let service = Author(.service, id: "hookline")
    /// The service while it brings secrets under another key: what they are stays as it is, and is not noted.
    package static let sealing = Author(.service, id: "sealing")

    /// As the triggers read it: `audit_actor` in the migrations.
    fileprivate var text: String {
        let parts = [self.kind.rawValue, self.id, self.address, self.isRoot ? "true" : "false", self.key]
        do {
            return String(decoding: try JSONEncoder().encode(parts), as: UTF8.self)
        } catch {
            preconditionFailure("texts are always JSON: \(error)")
        }
    }

    /// Runs `body`, all of whose changes are this author's.
    package func changing<T>(
        isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> T
    ) async rethrows -> T {
        try await Attribution.$current.withValue(self.text, operation: body)
    }
}

extension Endpoint {
    /// A copy on whose connections changes are this author's, unless a task says that they are somebody else's.
    package func changing(as author: Author) -> Endpoint {
        self.with(setting: Attribution.setting, author.text)
    }
}
