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
    private let write: @Sendable (_ line: String, _ note: (_ leftOut: Int) -> String) -> Void

    /// To standard error, or another output.
    package init(label: String, level: Logger.Level, format: LogFormat, output: LogOutput = .standardError) {
        self.init(label, level, format) { output.write($0, note: $1) }
    }

    package init(
        label: String, level: Logger.Level, format: LogFormat, write: @escaping @Sendable (String) -> Void
    ) {
        self.init(label, level, format) { line, _ in write(line) }
    }

    private init(
        _ label: String, _ level: Logger.Level, _ format: LogFormat,
        _ write: @escaping @Sendable (_ line: String, _ note: (_ leftOut: Int) -> String) -> Void
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
        self.write(self.line(event.level, "\(event.message)", metadata)) { leftOut in
            self.line(.warning, "lines of the log were left out: nobody read them", ["lines": "\(leftOut)"])
        }
    }

    private func line(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata) -> String {
        let time = self.now().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        let pairs = metadata.sorted { $0.key < $1.key }
        switch self.format {
        case .json:
            var line = "{\"time\":\"\(time)\",\"level\":\"\(level)\",\"logger\":\(quoted(self.label))"
            line += ",\"message\":\(quoted(message))"
            for (key, value) in pairs { line += ",\(quoted(key)):\(quoted("\(value)"))" }
            return line + "}\n"
        case .text:
            let level = level.rawValue.uppercased()
            var line = "\(time) \(level)\(String(repeating: " ", count: max(0, 8 - level.count))) \(message)"
            for (key, value) in pairs { line += " \(key)=\(quoted("\(value)"))" }
            return line + "\n"
        }
    }

    /// What is no line of a log, such as the last words: they are waited for.
    package static func writeToStandardError(_ text: String) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
            guard count >= 0 || errno == EINTR else { return }
            rest = rest.dropFirst(max(0, count))
        }
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
