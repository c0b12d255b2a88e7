/// Server-sent events as they are written
/// (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream).
enum EventFrame {
    /// - Parameters:
    ///   - name: one line of text.
    ///   - data: any text: each of its lines is one of the event's, so that none begins another field or event.
    static func event(_ name: String, _ data: String) -> String {
        "event: \(name)\n" + Self.lines(data, after: "data: ") + "\n"
    }

    static func comment(_ text: String) -> String { Self.lines(text, after: ": ") + "\n" }

    /// A line ends with CR, LF, or both.
    private static func lines(_ text: String, after field: String) -> String {
        // Nearly always it is one.
        guard text.utf8.contains(where: { $0 == 0x0A || $0 == 0x0D }) else { return "\(field)\(text)\n" }
        var out = field
        var isBehindReturn = false
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n" where isBehindReturn: break
            case "\r", "\n": out += "\n\(field)"
            default: out.unicodeScalars.append(scalar)
            }
            isBehindReturn = scalar == "\r"
        }
        return out + "\n"
    }
}
