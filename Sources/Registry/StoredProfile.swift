internal import Domain
internal import Postgres
internal import Schema

/// A profile's row as routes need it, read part by part.
///
/// Messages cannot wait for a profile, as they can for a webhook. So where this version cannot read whether they are to be
/// kept or sent they are: nothing is lost that a newer version would have wanted.
struct StoredProfile: Sendable {
    let id: EntityID
    let config: ProfileConfig
    /// What cannot be read, in words for its owners.
    let fault: String?

    /// For each part its value, and whether there is one that cannot be read. Of what is no object nothing can be.
    static let columns: Query = """
        id, CASE WHEN jsonb_typeof(config -> 'content_type') = 'string' THEN config ->> 'content_type' END,
        coalesce(jsonb_typeof(config -> 'content_type') NOT IN ('string', 'null'), jsonb_typeof(config) <> 'object'),
        coalesce(config -> 'write' = 'true', false),
        coalesce(jsonb_typeof(config -> 'write') NOT IN ('boolean', 'null'), jsonb_typeof(config) <> 'object'),
        coalesce(config -> 'webhook' = 'true', false),
        coalesce(jsonb_typeof(config -> 'webhook') NOT IN ('boolean', 'null'), jsonb_typeof(config) <> 'object'),
        CASE WHEN jsonb_typeof(config -> 'decode') <> 'null' THEN (config -> 'decode')::text END,
        CASE WHEN jsonb_typeof(config -> 'decode_failure') <> 'null' THEN config ->> 'decode_failure' END
        """

    /// ``columns``.
    static func decode(_ row: borrowing Row) throws -> StoredProfile {
        var type = row.isNull(1) ? ProfileConfig.defaultContentType : try row.string(1)
        var faults: [String] = []
        do throws(InvalidField) {
            type = try ProfileConfig.checkedOwnType(type)
        } catch {
            type = ProfileConfig.defaultContentType
            faults.append("content_type")
        }
        if try row.bool(2) { faults.append("content_type") }
        let takesPublishedType = type == ProfileConfig.typeAsPublished
        if takesPublishedType { type = ProfileConfig.defaultContentType }
        let (mayWrite, mayForward) = (try row.bool(4), try row.bool(6))
        if mayWrite { faults.append("write") }
        if mayForward { faults.append("webhook") }
        // Of what this version cannot decode the payload itself goes on.
        let (decoder, failure) = (try Self.decoder(row), try Self.failure(row))
        if decoder == nil, !row.isNull(7) { faults.append("decode") }
        if failure == nil { faults.append("decode_failure") }
        let names = faults.joined(separator: ", ")
        var config = ProfileConfig(
            contentType: type, write: try row.bool(3) || mayWrite, webhook: try row.bool(5) || mayForward)
        config.takesPublishedType = takesPublishedType
        config.decoder = decoder?.made
        config.refusesUndecoded = failure == .refuse && (row.isNull(7) || decoder != nil)
        return StoredProfile(
            id: try row.entityID(0), config: config,
            fault: faults.isEmpty ? nil : "this version cannot read of its config: \(names)")
    }

    /// - Returns: nil if this version cannot read it.
    private static func decoder(_ row: borrowing Row) throws -> (made: PayloadDecoder?, isRead: Bool)? {
        guard !row.isNull(7) else { return (nil, true) }
        let text = try row.string(7)
        do throws(InvalidField) {
            return (try PayloadDecoder.checked(try JSONValue(reading: Array(text.utf8)), at: "decode"), true)
        } catch {
            return nil
        }
    }

    /// - Returns: nil if this version cannot read it.
    private static func failure(_ row: borrowing Row) throws -> ProfileConfig.DecodeFailure? {
        row.isNull(8) ? .deliver : ProfileConfig.DecodeFailure(rawValue: try row.string(8))
    }
}
