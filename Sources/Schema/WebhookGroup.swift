package import Domain
package import Postgres

extension WebhookKey {
    /// Where only the number of a webhook is known: a look at one row, once in a statement, of which what it is compared with is
    /// read by the same index as without.
    package var groupOfRow: Query { "(SELECT w.group_id FROM webhooks AS w WHERE w.key = \(self.rawValue))" }

    /// Of a table whose rows are about webhooks: whether a row is about this one.
    package var isOfRow: Query { "webhook_key = \(self.rawValue) AND group_id = \(self.groupOfRow)" }
}
