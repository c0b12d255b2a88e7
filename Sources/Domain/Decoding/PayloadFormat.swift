/// How a thing writes its payloads.
package enum PayloadFormat: String, Sendable, CaseIterable {
    case json, cbor, msgpack, senml
    case sparkplugB = "sparkplug_b"
    case text, csv, protobuf

    /// Whether a payload can be written as text, so that who gives one in a request has what a thing sends.
    package var isText: Bool {
        switch self {
        case .json, .senml, .text, .csv: true
        case .cbor, .msgpack, .sparkplugB, .protobuf: false
        }
    }

    /// Whether a payload may be JSON that means something more: SenML has a form in JSON (RFC 8428, section 5).
    package var isJSON: Bool { self == .json || self == .senml }
}

/// Why no JSON can be made of a payload.
package struct UndecodedPayload: Error, Sendable, Equatable, CustomStringConvertible {
    package let format: PayloadFormat
    /// Where in the payload, in bytes; nil if it is all of it.
    package let offset: Int?
    package let reason: String

    package var description: String {
        "\(self.format.rawValue): \(self.reason)\(self.offset.map { ", at byte \($0)" } ?? "")"
    }
}

/// The same where the format is known anyway.
struct DecodingFault: Error {
    let reason: String
    let offset: Int?
    /// In which field, from without; empty if that is not said.
    private(set) var path = ""

    init(_ reason: String, at offset: Int? = nil) {
        self.reason = reason
        self.offset = offset
    }

    private static let longestPath = 100

    /// The same, as seen from the message that the field stands in, or from the list that the element does.
    func within(_ step: String) -> DecodingFault {
        var fault = self
        // Of what is nested deeply the innermost is told.
        guard self.path.utf8.count < Self.longestPath else { return self }
        let isJoined = self.path.isEmpty || self.path.hasPrefix("[")
        fault.path = "\(step)\(isJoined ? "" : ".")\(self.path)"
        return fault
    }
}
