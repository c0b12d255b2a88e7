internal import Domain
internal import Values

/// Things as a table of text has them, turned into the objects that a request would have.
struct ThingTable {
    /// Each with the line that it begins in, and what is wrong with it if it cannot be read.
    let rows: [(line: Int, object: Result<JSONObject, InvalidField>)]

    static let columns = ["id", "name", "external_id", "profile_id", "profile", "key", "labels", "metadata"]
    /// `metadata.site` is a member of metadata, as text.
    private static let member = "metadata."

    init(_ bytes: [UInt8], most: Int) throws {
        let table: DelimitedText
        do throws(DelimitedText.Refusal) { table = try DelimitedText(bytes, most: most + 1) } catch {
            throw InvalidField("the body", "cannot be read: line \(error.line) \(error.reason)")
        }
        guard let header = table.rows.first else { throw InvalidField("the body", "must begin with a row of names") }
        let names = try Self.names(header.fields)
        guard table.rows.count > 1 else { throw InvalidField("the body", "must have a row behind that of names") }
        self.rows = try table.rows.dropFirst().map { row in
            guard row.fields.count <= names.count else {
                throw InvalidField(
                    "the body", "has \(row.fields.count) fields in line \(row.line), and \(names.count) names")
            }
            do throws(InvalidField) {
                return (row.line, .success(try Self.object(of: row.fields, named: names)))
            } catch {
                return (row.line, .failure(error))
            }
        }
    }

    private static func names(_ fields: [String]) throws(InvalidField) -> [String] {
        let names = fields.map { $0.trimmingSpaces }
        var seen: Set<String> = []
        for name in names {
            guard Self.columns.contains(name) || name.hasPrefix(Self.member) && name.count > Self.member.count else {
                throw InvalidField(
                    "the body",
                    "has a column \(name.debugDescription); there are \(Self.columns.joined(separator: ", ")) and metadata.…"
                )
            }
            guard seen.insert(name).inserted else { throw InvalidField("the body", "has two columns \(name)") }
        }
        return names
    }

    /// An empty field is not given.
    private static func object(of fields: [String], named names: [String]) throws(InvalidField) -> JSONObject {
        var values: [String: JSONValue] = [:]
        var members: [String: JSONValue] = [:]
        for (name, text) in zip(names, fields) where !text.isEmpty {
            switch name {
            case "labels":
                let labels = text.split { $0 == "," || $0 == ";" }.map { JSONValue.string($0.trimmingSpaces) }
                values[name] = .array(labels)
            case "metadata":
                guard let value = try? JSON.decode(text) else {
                    throw InvalidField("metadata", "must be JSON, such as {\"site\": \"Berlin\"}")
                }
                values[name] = value
            case _ where name.hasPrefix(Self.member):
                members[String(name.dropFirst(Self.member.count))] = .string(text)
            default: values[name] = .string(text)
            }
        }
        if !members.isEmpty {
            guard values["metadata"] == nil else {
                throw InvalidField("metadata", "is given as a whole and by its members")
            }
            values["metadata"] = .object(JSONFields(members))
        }
        return try JSONObject(.object(JSONFields(values)), at: "")
    }
}
