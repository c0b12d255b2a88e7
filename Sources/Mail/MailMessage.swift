package import Domain
package import Values

/// A message of plain text, as it is handed over (RFC 5322).
///
/// Whatever stands in subject and text, it cannot end a header or begin another: both are encoded, and addresses hold nothing
/// that needs to be.
package struct MailMessage: Sendable {
    package let from: MailAddress
    package let to: MailAddress
    package let subject: String
    package let text: String
    /// What tells it from all others, the same each time it is sent: letters, digits and `_`.
    package let id: String
    package let date: Instant

    package init(from: MailAddress, to: MailAddress, subject: String, text: String, id: String, date: Instant) {
        self.from = from
        self.to = to
        self.subject = subject
        self.text = text
        self.id = id
        self.date = date
    }

    /// Header and body, with the ends of lines that they have on the way.
    package var bytes: [UInt8] {
        let id = self.id.filter { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
        let head = [
            "Date: \(Self.text(of: self.date))",
            "From: Hookline <\(self.from.text)>",
            "To: <\(self.to.text)>",
            "Message-ID: <\(id)@\(self.from.host)>",
            "Subject: \(Self.encoded(self.subject))",
            // Nobody's holiday answers it (RFC 3834).
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=utf-8",
            "Content-Transfer-Encoding: base64",
            "",
        ]
        let body = Self.lines(of: Base64.encode(Array(self.text.replacing("\n", with: "\r\n").utf8)), width: 76)
        return Array((head + body).map { $0 + "\r\n" }.joined().utf8)
    }

    /// Encoded words of UTF-8, none of which ends within a character (RFC 2047).
    private static func encoded(_ text: String) -> String {
        var words: [String] = []
        var word: [UInt8] = []
        func end() {
            if !word.isEmpty { words.append("=?utf-8?B?\(Base64.encode(word))?=") }
            word = []
        }
        for scalar in text.unicodeScalars.prefix(250) {
            let bytes = Array(String(scalar).utf8)
            if word.count + bytes.count > 42 { end() }
            word += bytes
        }
        end()
        return words.joined(separator: "\r\n ")
    }

    private static func lines(of text: String, width: Int) -> [String] {
        var rest = text[...]
        var lines: [String] = []
        while !rest.isEmpty {
            lines.append(String(rest.prefix(width)))
            rest = rest.dropFirst(width)
        }
        return lines
    }

    private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// `Thu, 1 Jan 1970 00:00:00 +0000`.
    private static func text(of date: Instant) -> String {
        let day = date.seconds / 86_400
        let civil = CivilDate(day: day)
        let time = date.text.split(separator: "T").last?.prefix(8) ?? ""
        return
            "\(Self.days[Int(day % 7)]), \(civil.day) \(Self.months[Int(civil.month) - 1]) \(civil.year) \(time) +0000"
    }
}
