/// What nobody may print: a value of such a type shows nothing of itself wherever it is described, dumped or reflected, also as a
/// part of something else. Loggers and frameworks do that with whatever they are given.
package protocol Unprintable: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {}

extension Unprintable {
    package var description: String { "(hidden)" }
    package var debugDescription: String { "(hidden)" }
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// A password or key on its way from where it was read to where it is used.
package struct Secret: Sendable, Equatable, Unprintable {
    private let text: String

    package init(_ text: String) {
        self.text = text
    }

    /// The one way out: only for what has to have it, and never for a message, a log or an error.
    package func reveal() -> String { self.text }

    /// Without telling by the time it takes where they differ.
    package static func == (one: Secret, other: Secret) -> Bool {
        constantTimeEqual(Array(one.text.utf8), Array(other.text.utf8))
    }
}

/// Compares secrets without telling by the time it takes where they differ.
package func constantTimeEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    var difference = UInt8(a.count == b.count ? 0 : 1)
    for index in 0..<max(a.count, b.count) {
        difference |= (index < a.count ? a[index] : 0) ^ (index < b.count ? b[index] : 1)
    }
    return difference == 0
}
