package import Values

/// What an installation has done, that people ask for: records of the way of messages.
package enum RecordKind: String, Sendable, CaseIterable {
    case deliveries, log, messages

    /// What a record can be chosen by.
    package enum Filter: String, Sendable, CaseIterable {
        case webhook, thing, status, since, until, subtopic, text
    }

    package var filters: Set<Filter> {
        switch self {
        case .deliveries: [.webhook, .status]
        case .log: [.webhook, .thing, .status, .since, .until, .text]
        case .messages: [.thing, .since, .until, .subtopic]
        }
    }

    /// The fields that a table shows, in their order.
    package var columns: [String] {
        switch self {
        case .deliveries:
            ["id", "status", "attempts", "received_at", "due_at", "failed_at", "thing_id", "subtopic", "failure"]
        case .log:
            ["date", "status", "thing_name", "webhook_id", "response", "latency_ms", "attempt", "error", "trigger_id"]
        case .messages: ["id", "received_at", "subtopic", "content_type", "payload"]
        }
    }
}

/// What is asked for of records, as the parameters of the API's url.
package struct RecordQuery: Sendable {
    package var thing: String?
    package var status: String?
    package var from: Instant?
    /// The time that all are before.
    package var to: Instant?
    package var subtopic: String?
    package var text: String?

    package init() {}

    /// `?limit=…` and so on.
    package func parameters(limit: Int, behind cursor: String? = nil) -> String {
        var all = "?limit=\(limit)"
        let times = [("from", self.from), ("to", self.to)].map { ($0.0, $0.1.map { String($0.milliseconds) }) }
        let texts = [
            ("thing", self.thing), ("status", self.status), ("subtopic", self.subtopic), ("text", self.text),
            ("cursor", cursor),
        ]
        for (name, value) in times + texts {
            guard let value else { continue }
            var bytes: [UInt8] = []
            bytes.appendPercentEncoded(value.utf8)
            all += "&\(name)=\(String(decoding: bytes, as: UTF8.self))"
        }
        return all
    }

    /// How long ago, such as `15m`, or a time such as `2026-01-31T12:00:00Z`; nil for what is neither.
    package static func time(_ text: String, before now: Instant) -> Instant? {
        if let ago = Duration(text: text) { return now - ago }
        return Instant(rfc3339: text)
    }
}

/// Records as people read them in a terminal. What is shown is others': nothing of it reaches the terminal as anything but text.
package enum RecordText {
    private static let times: Set<String> = [
        "date", "received_at", "due_at", "failed_at", "requested_at", "ended_at", "from", "to",
    ]
    /// Beyond that a cell of a table ends.
    package static let longestCell = 120

    package static func table(_ records: [JSONFields], of kind: RecordKind) -> String {
        // What none of them has says nothing: those that wait have not failed.
        let columns = kind.columns.filter { column in
            records.isEmpty || records.contains { ($0[column] ?? .null) != .null } || column == kind.columns[0]
        }
        let shown = records.map { record in
            var record = record
            if kind == .messages, record["payload"] == nil, let bytes = record["payload_base64"] {
                record["payload"] = bytes
            }
            return Self.timed(record).mapped(Self.short)
        }
        return ClientText.table(shown, columns: columns)
    }

    /// All there is of one, its attempts as a table below.
    package static func whole(_ record: JSONFields) -> String {
        var fields = Self.timed(record)
        (fields["attempts"], fields["request"]) = (nil, nil)
        var parts = [ClientText.fields(fields)]
        if case .object(var request)? = record["request"] {
            if case .object(let body)? = request["body"] { request["body"] = body["text"] ?? body["base64"] }
            parts.append(ClientText.fields(request))
        }
        if case .array(let attempts)? = record["attempts"], !attempts.isEmpty {
            let rows = attempts.compactMap { attempt -> JSONFields? in
                if case .object(let fields) = attempt { Self.timed(fields) } else { nil }
            }
            parts.append(
                ClientText.table(
                    rows, columns: ["number", "date", "status", "response", "latency_ms", "items", "error"]))
        }
        return parts.joined(separator: "\n\n")
    }

    /// An entry of a log on one line.
    ///
    /// - Parameter webhook: what it is called; nil if that is not known.
    package static func line(_ entry: JSONFields, webhook: String?) -> String {
        func text(_ name: String) -> String? {
            switch entry[name] {
            case nil, .null?, .string("")?: nil
            case .string(let text)?: text
            case let value?: value.text
            }
        }
        let date = entry["date"]?.wholeNumber.flatMap { Instant(milliseconds: $0) }?.text ?? "-"
        let status = text("status") ?? "-"
        var parts = [date, status + String(repeating: " ", count: max(0, 7 - status.count))]
        parts.append("\(text("thing_name") ?? text("thing_id") ?? "-") -> \(webhook ?? text("webhook_id") ?? "-")")
        if let response = text("response") { parts.append(response) }
        if let latency = text("latency_ms") { parts.append("\(latency) ms") }
        if let attempt = entry["attempt"]?.wholeNumber, attempt > 1 { parts.append("attempt \(attempt)") }
        if let items = entry["items"]?.wholeNumber, items > 1 { parts.append("\(items) messages") }
        if let error = text("error") { parts.append(error) }
        if let id = text("trigger_id") { parts.append(id) }
        return parts.joined(separator: "  ").printable
    }

    private static func timed(_ record: JSONFields) -> JSONFields {
        var record = record
        for name in Self.times {
            if let time = record[name]?.wholeNumber.flatMap({ Instant(milliseconds: $0) }) {
                record[name] = .string(time.text)
            }
        }
        return record
    }

    private static func short(_ value: JSONValue) -> JSONValue {
        guard case .string(let text) = value, text.count > Self.longestCell else { return value }
        return .string("\(text.prefix(Self.longestCell))…")
    }
}

extension JSONFields {
    fileprivate func mapped(_ change: (JSONValue) -> JSONValue) -> JSONFields {
        JSONFields(members: self.map { (key: $0.key, value: change($0.value)) })
    }
}
