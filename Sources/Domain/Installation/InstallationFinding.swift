/// What is found of one part of an installation, for who runs it.
package struct InstallationFinding: Sendable, Equatable {
    package enum Weight: String, Sendable, CaseIterable {
        case ok, warn, fail
    }

    package let weight: Weight
    /// The part, under which it stands in docs/operations.md.
    package let subject: String
    package let text: String
    /// What to do about it; nil if nothing is to be done.
    package let hint: String?

    package init(_ weight: Weight, _ subject: String, _ text: String, hint: String? = nil) {
        self.weight = weight
        self.subject = subject
        self.text = text
        self.hint = hint
    }
}

/// All that was found, for people or for programs.
package struct InstallationReport: Sendable, Equatable {
    package let findings: [InstallationFinding]

    package init(_ findings: [InstallationFinding]) {
        // What servers say is theirs: nothing of it reaches a terminal as anything but text.
        self.findings = findings.map { finding in
            InstallationFinding(
                finding.weight, finding.subject, finding.text.printable, hint: finding.hint?.printable)
        }
    }

    /// The gravest of all; `ok` if there is none.
    package var weight: InstallationFinding.Weight {
        let found = Set(self.findings.map(\.weight))
        return found.contains(.fail) ? .fail : found.contains(.warn) ? .warn : .ok
    }

    /// A line for each finding, and one below it for what is to be done.
    package var table: String {
        let width = (self.findings.map(\.subject.count).max() ?? 0) + 2
        let indentation = String(repeating: " ", count: 6 + width)
        return self.findings.map { finding in
            let mark = finding.weight.rawValue.uppercased()
            let start = Self.padded(mark, 6) + Self.padded(finding.subject, width) + finding.text
            return start + (finding.hint.map { "\n\(indentation)-> \($0)" } ?? "")
        }.joined(separator: "\n")
    }

    /// `{"result":…,"findings":[{"check":…,"result":…,"text":…,"hint":…}]}`, without `hint` where there is none.
    package var json: String {
        var text: [UInt8] = Array(#"{"result":"\#(self.weight.rawValue)","findings":["#.utf8)
        for (index, finding) in self.findings.enumerated() {
            if index > 0 { text.append(UInt8(ascii: ",")) }
            var fields = [("check", finding.subject), ("result", finding.weight.rawValue), ("text", finding.text)]
            if let hint = finding.hint { fields.append(("hint", hint)) }
            for (place, field) in fields.enumerated() {
                text += Array((place == 0 ? "{" : ",").utf8)
                text.appendQuoted(field.0)
                text.append(UInt8(ascii: ":"))
                text.appendQuoted(field.1)
            }
            text.append(UInt8(ascii: "}"))
        }
        return String(decoding: text + Array("]}".utf8), as: UTF8.self)
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }
}

/// Bytes and times as people read them.
enum InstallationWords {
    static func size(_ bytes: Int64) -> String {
        let units = ["B", "kB", "MB", "GB", "TB"]
        var (rest, unit) = (bytes, 0)
        while rest >= 10_000, unit < units.count - 1 {
            rest /= 1_000
            unit += 1
        }
        return "\(rest) \(units[unit])"
    }

    static func time(seconds: Int64) -> String {
        switch seconds {
        case ..<120: "\(seconds) s"
        case ..<7_200: "\(seconds / 60) min"
        case ..<172_800: "\(seconds / 3_600) h"
        default: "\(seconds / 86_400) days"
        }
    }
}
