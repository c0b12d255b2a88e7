package import Domain
package import Logging
internal import Synchronization

/// Rows that this version cannot read, as a newer one or other hands may have left them. Each costs itself alone; here they
/// are counted, and named in the log once for each version of the row.
package final class UnreadableRows: Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        case webhook, profile, source, account, org
        case orgWebhook = "org_webhook"
        case noticeChannel = "notice_channel"
        case groupTLS = "group_tls"
        case installation
    }

    package struct Row: Sendable, Equatable {
        package let id: EntityID
        /// What changes when the row does.
        package let version: String
        /// What cannot be read, without anything secret.
        package let fault: String

        package init(id: EntityID, version: String, fault: String) {
            self.id = id
            self.version = version
            self.fault = fault
        }
    }

    private let logger: Logger
    private let rows = Mutex<[Kind: [EntityID: Row]]>([:])
    /// Of each kind that is noted one by one.
    private static let most = 10_000
    /// Lines at a time.
    private static let mostLines = 20

    package init(logger: Logger) {
        self.logger = logger
    }

    package func count(_ kind: Kind) -> Int { self.rows.withLock { $0[kind]?.count ?? 0 } }

    /// These of the kind cannot be read, and all others can.
    package func set(_ kind: Kind, to rows: [Row]) {
        let new = self.rows.withLock { all in
            let known = all[kind] ?? [:]
            all[kind] = Dictionary(rows.map { ($0.id, $0) }) { first, _ in first }
            return rows.filter { known[$0.id] != $0 }
        }
        for row in new.prefix(Self.mostLines) { self.log(kind, row) }
        if new.count > Self.mostLines {
            self.logger.warning(
                "more rows cannot be read", metadata: ["kind": "\(kind)", "rows": "\(new.count - Self.mostLines)"])
        }
    }

    /// One was looked at.
    ///
    /// - Parameter row: nil if it can be read.
    package func note(_ kind: Kind, _ id: EntityID, _ row: Row?) {
        let isNew = self.rows.withLock { all in
            guard let row else {
                all[kind]?[id] = nil
                return false
            }
            guard all[kind]?[id] != row else { return false }
            guard all[kind]?[id] != nil || (all[kind]?.count ?? 0) < Self.most else { return false }
            all[kind, default: [:]][id] = row
            return true
        }
        if isNew, let row { self.log(kind, row) }
    }

    private func log(_ kind: Kind, _ row: Row) {
        self.logger.warning(
            "a row cannot be read; the others go on",
            metadata: [
                "kind": "\(kind)", "id": "\(row.id)", "version": "\(row.version)", "fault": "\(row.fault)",
            ])
    }
}
