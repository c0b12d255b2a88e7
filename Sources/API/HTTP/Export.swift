internal import Domain
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Schema
internal import ServiceLifecycle
internal import Values

/// How a list is answered as a whole: a line for each, one page of it in memory at a time.
enum ExportFormat: String, CaseIterable, Sendable {
    case ndjson, csv

    var mediaType: String { self == .ndjson ? "application/x-ndjson" : "text/csv" }
}

extension Request {
    /// `format`, or else what `Accept` names first of what there is; nil for a page.
    func exportFormat() throws(InvalidField) -> ExportFormat? {
        let accepted = (self.headers[.accept] ?? "").split(separator: ",").map {
            $0.prefix { $0 != ";" }.trimmingSpaces.lowercased()
        }
        let named = accepted.lazy.compactMap { type in ExportFormat.allCases.first { $0.mediaType == type } }.first
        guard let format: ExportFormat = try self.choice("format") ?? named else { return nil }
        for name in ["limit", "offset", "cursor"] where self.uri.queryParameters.get(name) != nil {
            throw InvalidField(name, "is of pages; with format all is answered")
        }
        return format
    }
}

/// A line of an export.
protocol ExportRow: Encodable, Sendable {
    static var columns: [String] { get }
    /// In the order of the columns; nil is empty.
    var fields: [String?] { get }
}

/// Writes lists line by line, a few at a time: each has a page of its list in memory.
struct Exports: Sendable {
    let access: Access
    let wallClock: WallClock
    private let places = StreamPlaces(most: 3, ofAUser: 2, what: "exports")

    init(access: Access, wallClock: WallClock) {
        self.access = access
        self.wallClock = wallClock
    }

    /// What a page has, and where the next begins.
    typealias Part<Row> = (rows: [Row], next: PageCursor?)

    /// An answer that goes on until all is written. What is cut short, because the database is away, the caller may look no
    /// longer or the service stops, ends without the last chunk, so that nobody takes it for the whole.
    ///
    /// - Parameters:
    ///   - definition: as for ``Access/require(_:in:copyOf:for:seeking:)``.
    ///   - read: reads the page that begins there.
    /// - Throws: if there is no place for it.
    func response<Row: ExportRow>(
        as format: ExportFormat, of group: EntityID, copyOf definition: EntityID? = nil, to caller: Caller,
        _ read: @escaping @Sendable (PageStart) async throws -> Part<Row>
    ) throws -> Response {
        let place = try self.places.take(for: caller.id)
        let body = ResponseBody { writer in
            var start = PageStart()
            if format == .csv { try await writer.write(format.line(Row.columns)) }
            while true {
                guard !Task.isShuttingDownGracefully else { throw CancellationError() }
                guard caller.expiresAt.map({ self.wallClock.now < $0 }) ?? true else { throw APIError.unauthorized }
                try await self.access.require(
                    .viewer, in: group, copyOf: definition, for: caller, seeking: "group")
                let part = try await read(start)
                var buffer = ByteBuffer()
                for row in part.rows { try format.write(row, to: &buffer) }
                if buffer.readableBytes > 0 { try await writer.write(buffer) }
                guard let next = part.next else { break }
                start = PageStart(next)
            }
            withExtendedLifetime(place) {}
            try await writer.finish(nil)
        }
        return Response(status: .ok, headers: [.contentType: format.mediaType, .cacheControl: "no-store"], body: body)
    }
}

extension ExportFormat {
    fileprivate func write(_ row: some ExportRow, to buffer: inout ByteBuffer) throws {
        switch self {
        case .ndjson:
            var line = try JSON.encode(row)
            buffer.writeBuffer(&line)
            buffer.writeStaticString("\n")
        case .csv:
            var line = self.line(row.fields)
            buffer.writeBuffer(&line)
        }
    }

    /// RFC 4180. Text comes out as it went in, also what a spreadsheet would take for a formula.
    func line(_ fields: [String?]) -> ByteBuffer {
        let quoted = fields.map { field in
            guard let field else { return "" }
            guard field.utf8.contains(where: { ",\"\r\n".utf8.contains($0) }) else { return field }
            return "\"\(field.escaping { $0 == "\"" ? "\"\"" : nil })\""
        }
        return ByteBuffer(string: quoted.joined(separator: ",") + "\r\n")
    }
}

extension MessageDTO: ExportRow {
    static var columns: [String] {
        ["id", "thing_id", "subtopic", "content_type", "received_at", "payload", "payload_base64"]
    }

    var fields: [String?] {
        [
            self.id, self.thing_id, self.subtopic, self.content_type, String(self.received_at), self.payload,
            self.payload_base64,
        ]
    }
}

extension LogEntryDTO: ExportRow {
    static var columns: [String] {
        [
            "trigger_id", "webhook_id", "status", "date", "thing_id", "response", "error", "latency_ms", "attempt",
            "url", "items", "due_at", "thing_name",
        ]
    }

    var fields: [String?] {
        [
            self.trigger_id, self.webhook_id, self.status, String(self.date), self.thing_id,
            self.response.map { String($0) }, self.error, self.latency_ms.map { String($0) }, String(self.attempt),
            self.url, String(self.items), self.due_at.map { String($0) }, self.thing_name,
        ]
    }
}
