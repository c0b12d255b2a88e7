/// A text that is the same as another if its bytes are, as it is to databases, brokers and who issues tokens. To Swift an é of one character and
/// one of two are the same, and so are a K and the sign for kelvin: one user would have the rights of another.
package struct ExactText: Hashable, Sendable {
    package let text: String

    package init(_ text: some StringProtocol) {
        self.text = String(text)
    }

    package static func == (one: ExactText, other: ExactText) -> Bool { one.text.isExactly(other.text) }

    package func hash(into hasher: inout Hasher) {
        for byte in self.text.utf8 { hasher.combine(byte) }
        hasher.combine(UInt8.max)
    }
}

extension StringProtocol {
    /// Whether both are the same, byte by byte.
    package func isExactly(_ other: some StringProtocol) -> Bool { self.utf8.elementsEqual(other.utf8) }
}
