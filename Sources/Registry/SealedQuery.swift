internal import Domain
internal import Postgres
internal import Schema

/// The query of a webhook's url under seal, in a column of its own, because keys often stand there (`?api_key=…`).
///
/// What is left in the column `url` then ends with a mark that no url has: a build that does not look beside it takes it for one
/// that it cannot read, and lets what comes for the webhook wait, in place of calling what is left.
enum SealedQuery {
    static let mark = "#query-under-seal"

    /// A url in its two columns.
    struct Columns: Sendable {
        let url: String
        let query: Bytes?
    }

    /// Whether queries are to be under seal now: there is a key, and nobody lives who could not read them.
    static func isDue(_ box: SecretBox, on db: isolated Connection) throws -> Bool {
        guard box.keyID != nil else { return false }
        return try StoredForm.sealedQuery.isReadByAll(on: db)
    }

    /// - Parameters:
    ///   - url: as it was written. It need not be one that could be stored now.
    ///   - isDue: see ``isDue(_:on:)``.
    static func columns(
        of url: String, _ webhook: EntityID, by box: SecretBox, isDue: Bool, in column: SealedColumn = .webhookQuery
    ) throws -> Columns {
        guard isDue, let start = url.utf8.firstIndex(of: UInt8(ascii: "?")) else {
            return Columns(url: url, query: nil)
        }
        let query = try box.seal(Array(url.utf8[start...]), of: webhook, in: column)
        return Columns(url: String(url[..<start]) + Self.mark, query: Bytes(query))
    }

    /// A url as it was written. A build that does not know of queries under seal writes the column of the url alone.
    static func text(
        _ url: String, _ query: [UInt8]?, of webhook: EntityID, by box: SecretBox
    ) throws(SecretBox.Unreadable) -> String {
        let length = Self.mark.utf8.count
        guard let query, url.utf8.suffix(length).elementsEqual(Self.mark.utf8) else { return url }
        return String(Substring(url.utf8.dropLast(length)))
            + String(decoding: try box.open(query, of: webhook), as: UTF8.self)
    }

    /// Reads a url, and adds what keeps it from being read to `faults`.
    ///
    /// - Returns: and why the seal does not open, if it does not.
    static func read(
        _ url: String, _ query: [UInt8]?, of webhook: EntityID, by box: SecretBox, _ faults: inout [String]
    ) -> (WebhookURL, SecretBox.Unreadable?) {
        do throws(SecretBox.Unreadable) {
            return (StoredURL.read(try Self.text(url, query, of: webhook, by: box), &faults), nil)
        } catch {
            faults.append("\(error)")
            return (WebhookURL(unreadable: url), error)
        }
    }
}
