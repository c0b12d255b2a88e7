internal import Glibc
package import Logging

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// How log lines look.
package enum LogFormat: String, Sendable, CaseIterable {
    /// One JSON object per line, for machines.
    case json
    /// For eyes.
    case text
}

/// Writes log lines to standard error, or wherever `write` puts them, each in one piece.
package struct LineLogHandler: LogHandler {
    package var logLevel: Logger.Level
    package var metadata: Logger.Metadata = [:]
    package var metadataProvider: Logger.MetadataProvider?

    private let label: String
    private let format: LogFormat
    private let now: @Sendable () -> Date
    private let write: @Sendable (String) -> Void

    package init(
        label: String, level: Logger.Level, format: LogFormat,
        write: @escaping @Sendable (String) -> Void = Self.writeToStandardError
    ) {
        self.label = label
        self.logLevel = level
        self.format = format
        self.now = { Date() }
        self.write = write
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var metadata = self.metadata
        if let provided = self.metadataProvider?.get() { metadata.merge(provided) { _, new in new } }
        if let own = event.metadata { metadata.merge(own) { _, new in new } }
        if let error = event.error { metadata["error"] = "\(error)" }
        let time = self.now().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        let pairs = metadata.sorted { $0.key < $1.key }
        switch self.format {
        case .json:
            var line = "{\"time\":\"\(time)\",\"level\":\"\(event.level)\",\"logger\":\(quoted(self.label))"
            line += ",\"message\":\(quoted("\(event.message)"))"
            for (key, value) in pairs { line += ",\(quoted(key)):\(quoted("\(value)"))" }
            self.write(line + "}\n")
        case .text:
            let level = event.level.rawValue.uppercased()
            var line = "\(time) \(level)\(String(repeating: " ", count: max(0, 8 - level.count))) \(event.message)"
            for (key, value) in pairs { line += " \(key)=\(quoted("\(value)"))" }
            self.write(line + "\n")
        }
    }

    @Sendable
    package static func writeToStandardError(_ line: String) {
        // One write per line: POSIX keeps lines of up to 4 KiB whole on a pipe.
        var line = line
        line.withUTF8 { _ = Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

/// A JSON string; control characters cannot break out of a line in either format.
func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": quoted += "\\\""
        case "\\": quoted += "\\\\"
        case "\n": quoted += "\\n"
        case "\r": quoted += "\\r"
        case "\t": quoted += "\\t"
        // Terminals obey those above ASCII too.
        case _ where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value):
            quoted += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
        // For some who read lines they are the end of one.
        case "\u{2028}": quoted += "\\u2028"
        case "\u{2029}": quoted += "\\u2029"
        default: quoted.unicodeScalars.append(scalar)
        }
    }
    return quoted + "\""
}
