import Domain
import Testing

@testable import API

@Suite("A table of things")
struct ThingTableTests {
    private func drafts(_ text: String) throws -> [(line: Int, name: String?, field: String?)] {
        try ThingTable(Array(text.utf8), most: 100).rows.map { line, object in
            do throws(InvalidField) {
                let draft = try ThingDraft(try object.get())
                return (line, draft.name ?? (draft.externalID ?? nil), nil)
            } catch {
                return (line, nil, error.field)
            }
        }
    }

    @Test("is read row by row, and each row's fault has its line and its field")
    func rows() throws {
        let rows = try self.drafts(
            """
            external_id;name;labels;metadata.site;metadata
            e1;One;"outdoor;floor=2";Berlin;
            e2;;;;"{""site"":1.50}"
            e3;;a=1,a=2;;
            e4;;;x;{}
            e5;;;;{
            ;"Six
            lines";;;
            """)
        #expect(rows.map(\.line) == [2, 3, 4, 5, 6, 7])
        #expect(rows.map(\.field) == [nil, nil, "labels", "metadata", "metadata", "name"])
        #expect(rows.map(\.name) == ["One", "e2", nil, nil, nil, nil])
    }

    @Test("keeps metadata as it is written, and makes texts of its members")
    func metadata() throws {
        let table = try ThingTable(
            Array("name,metadata,metadata.site\na,\"{\"\"n\"\": 1.50}\",\nb,,Köln\n".utf8), most: 10)
        let texts = try table.rows.map { try ThingDraft(try $0.object.get()).annotations.metadata }
        #expect(texts == [#"{"n":1.50}"#, #"{"site":"Köln"}"#])
    }

    @Test(
        "is refused as a whole for its first line, or where it is no table",
        arguments: ["", "name", "name,nmae\na,b", "name,name\na,b", "name\na,b", "name\n\"a", "metadata.\nx"])
    func refused(text: String) {
        #expect(throws: InvalidField.self) { try ThingTable(Array(text.utf8), most: 10) }
    }
}
