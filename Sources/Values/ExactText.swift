/// A text that is the same as another if its bytes are, as it is to databases, brokers and who issues tokens. To Swift an é of one character and
/// one of two are the same, and so are a K and the sign for kelvin: one user would have the rights of another.
package struct ExactText: Hashable, Comparable, Sendable {
    package let text: String

    package init(_ text: some StringProtocol) {
        self.text = String(text)
    }

    package static func == (one: ExactText, other: ExactText) -> Bool { one.text.isExactly(other.text) }

    package static func < (one: ExactText, other: ExactText) -> Bool {
        one.text.utf8.lexicographicallyPrecedes(other.text.utf8)
    }

    package func hash(into hasher: inout Hasher) {
        for byte in self.text.utf8 { hasher.combine(byte) }
        hasher.combine(UInt8.max)
    }
}

extension ExactText: CustomStringConvertible, ExpressibleByStringLiteral {
    package var description: String { self.text }

    package init(stringLiteral text: String) { self.init(text) }
}

extension StringProtocol {
    /// Whether both are the same, byte by byte.
    package func isExactly(_ other: some StringProtocol) -> Bool { self.utf8.elementsEqual(other.utf8) }
}

extension StringProtocol where SubSequence == Substring {
    /// What stands between separators, empty or not.
    ///
    /// `split(separator:)` goes by characters, and a slash with an accent behind it is another character: to everybody else it is
    /// a slash, and the accent the beginning of what follows.
    package func parts(between separator: Unicode.Scalar) -> [Substring] {
        self.unicodeScalars.split(separator: separator, omittingEmptySubsequences: false)
            .map { self[$0.startIndex..<$0.endIndex] }
    }

    /// Whether a code point is in it, whatever is put onto it.
    package func has(_ scalar: Unicode.Scalar) -> Bool { self.unicodeScalars.contains(scalar) }
}
