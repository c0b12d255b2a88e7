internal import Values

/// Spans as a collector is sent them: `ExportTraceServiceRequest` of OTLP 1
/// (https://opentelemetry.io/docs/specs/otlp/, https://github.com/open-telemetry/opentelemetry-proto).
package struct SpanEncoding: Sendable {
    /// The names that OTEL_EXPORTER_OTLP_PROTOCOL takes.
    package enum Form: String, Sendable, CaseIterable {
        case json = "http/json"
        case protobuf = "http/protobuf"

        package var contentType: String { self == .json ? "application/json" : "application/x-protobuf" }
    }

    package let form: Form
    private let resource: [TraceSpan.Attribute]
    private let version: String

    /// - Parameters:
    ///   - resource: what is said of who exports, `service.name` above all.
    ///   - version: of this program.
    package init(_ form: Form, resource: [TraceSpan.Attribute], version: String) {
        self.form = form
        self.resource = resource
        self.version = version
    }

    package func encode(_ spans: [TraceSpan]) -> [UInt8] {
        switch self.form {
        case .json: Array(self.json(spans).utf8)
        case .protobuf: self.protobuf(spans)
        }
    }

    // MARK: JSON

    /// Ids are hexadecimal, numbers of 64 bits are texts and enumerations numbers, as OTLP has it and not Protobuf's own JSON.
    private func json(_ spans: [TraceSpan]) -> String {
        """
        {"resourceSpans":[{"resource":{"attributes":\(Self.json(self.resource))},"scopeSpans":[{"scope":{"name":"hookline",\
        "version":\(quoted(self.version))},"spans":[\(spans.map(Self.json).joined(separator: ","))]}]}]}
        """
    }

    private static func json(_ span: TraceSpan) -> String {
        var text = "{\"traceId\":\"\(span.context.traceText)\",\"spanId\":\"\(span.context.spanText)\""
        if let parent = span.parentContext { text += ",\"parentSpanId\":\"\(parent.spanText)\"" }
        text += ",\"flags\":1,\"name\":\(quoted(span.name)),\"kind\":\(span.kind.rawValue)"
        text += ",\"startTimeUnixNano\":\"\(span.start)\",\"endTimeUnixNano\":\"\(span.end)\""
        if !span.attributes.isEmpty { text += ",\"attributes\":\(Self.json(span.attributes))" }
        if !span.events.isEmpty {
            let events = span.events.map { "{\"timeUnixNano\":\"\($0.nanoseconds)\",\"name\":\(quoted($0.name))}" }
            text += ",\"events\":[\(events.joined(separator: ","))]"
        }
        if !span.links.isEmpty {
            let links = span.links.map { "{\"traceId\":\"\($0.traceText)\",\"spanId\":\"\($0.spanText)\"}" }
            text += ",\"links\":[\(links.joined(separator: ","))]"
        }
        return text + (span.isError ? ",\"status\":{\"code\":\(Self.errorCode)}}" : "}")
    }

    private static func json(_ attributes: [TraceSpan.Attribute]) -> String {
        let rows = attributes.map { attribute in
            let value =
                switch attribute.value {
                case .text(let text): "\"stringValue\":\(quoted(text))"
                case .number(let number): "\"intValue\":\"\(number)\""
                case .flag(let flag): "\"boolValue\":\(flag)"
                }
            return "{\"key\":\(quoted(attribute.key)),\"value\":{\(value)}}"
        }
        return "[\(rows.joined(separator: ","))]"
    }

    private static let errorCode = 2

    // MARK: Protobuf

    private func protobuf(_ spans: [TraceSpan]) -> [UInt8] {
        var request = ProtobufWriter()
        request.message(1) { resourceSpans in
            resourceSpans.message(1) { Self.write(self.resource, as: 1, into: &$0) }
            resourceSpans.message(2) { scopeSpans in
                scopeSpans.message(1) { scope in
                    scope.text(1, "hookline")
                    scope.text(2, self.version)
                }
                for span in spans { scopeSpans.message(2) { Self.write(span, into: &$0) } }
            }
        }
        return request.bytes
    }

    private static func write(_ span: TraceSpan, into message: inout ProtobufWriter) {
        message.bytes(1, span.context.traceBytes)
        message.bytes(2, span.context.spanBytes)
        if let parent = span.parentContext { message.bytes(4, parent.spanBytes) }
        message.text(5, span.name)
        message.number(6, UInt64(span.kind.rawValue))
        message.fixed(7, UInt64(bitPattern: span.start))
        message.fixed(8, UInt64(bitPattern: span.end))
        Self.write(span.attributes, as: 9, into: &message)
        for event in span.events {
            message.message(11) {
                $0.fixed(1, UInt64(bitPattern: event.nanoseconds))
                $0.text(2, event.name)
            }
        }
        for link in span.links {
            message.message(13) {
                $0.bytes(1, link.traceBytes)
                $0.bytes(2, link.spanBytes)
            }
        }
        if span.isError { message.message(15) { $0.number(3, UInt64(Self.errorCode)) } }
        message.fixed(16, UInt32(1))
    }

    private static func write(
        _ attributes: [TraceSpan.Attribute], as field: UInt64, into message: inout ProtobufWriter
    ) {
        for attribute in attributes {
            message.message(field) { row in
                row.text(1, attribute.key)
                row.message(2) { value in
                    switch attribute.value {
                    case .text(let text): value.text(1, text)
                    case .flag(let flag): value.number(2, flag ? 1 : 0)
                    case .number(let number): value.number(3, UInt64(bitPattern: number))
                    }
                }
            }
        }
    }
}

extension TraceSpan {
    fileprivate var parentContext: SpanContext? {
        self.parent.map {
            SpanContext(
                traceHigh: self.context.traceHigh, traceLow: self.context.traceLow, span: $0, isSampled: true)
        }
    }
}

extension SpanContext {
    fileprivate var traceBytes: [UInt8] { Self.bytes(self.traceHigh) + Self.bytes(self.traceLow) }
    fileprivate var spanBytes: [UInt8] { Self.bytes(self.span) }

    private static func bytes(_ number: UInt64) -> [UInt8] {
        stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: number >> UInt64($0)) }
    }
}

/// Writes the few kinds of fields that spans have (https://protobuf.dev/programming-guides/encoding/).
private struct ProtobufWriter {
    private(set) var bytes: [UInt8] = []

    private mutating func varint(_ number: UInt64) {
        var rest = number
        while rest > 0x7F {
            self.bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        self.bytes.append(UInt8(rest))
    }

    private mutating func tag(_ field: UInt64, _ wireType: UInt64) { self.varint(field << 3 | wireType) }

    mutating func number(_ field: UInt64, _ number: UInt64) {
        self.tag(field, 0)
        self.varint(number)
    }

    mutating func fixed(_ field: UInt64, _ number: UInt64) {
        self.tag(field, 1)
        self.append(number)
    }

    mutating func fixed(_ field: UInt64, _ number: UInt32) {
        self.tag(field, 5)
        self.append(number)
    }

    private mutating func append(_ number: some FixedWidthInteger) {
        for shift in stride(from: 0, to: number.bitWidth, by: 8) {
            self.bytes.append(UInt8(truncatingIfNeeded: number >> shift))
        }
    }

    mutating func bytes(_ field: UInt64, _ bytes: [UInt8]) {
        self.tag(field, 2)
        self.varint(UInt64(bytes.count))
        self.bytes += bytes
    }

    mutating func text(_ field: UInt64, _ text: String) { self.bytes(field, Array(text.utf8)) }

    mutating func message(_ field: UInt64, _ write: (inout ProtobufWriter) -> Void) {
        var message = ProtobufWriter()
        write(&message)
        self.bytes(field, message.bytes)
    }
}
