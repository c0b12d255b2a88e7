/// An address that mail can be sent to: `name@host`, in letters, digits and the signs that need no quotes (RFC 5321, section
/// 4.1.2). What stands in it can end neither a header nor a command.
package struct MailAddress: Sendable, Hashable {
    package let text: String

    package static let longest = 254

    /// nil if it is none.
    package init?(_ text: some StringProtocol) {
        let parts = text.utf8.split(separator: UInt8(ascii: "@"), omittingEmptySubsequences: false)
        guard text.utf8.count <= Self.longest, parts.count == 2, parts[0].count <= 64,
            Self.isDotted(parts[0], where: { $0.isLetterOrDigit || "!#$%&'*+-/=?^_`{|}~".utf8.contains($0) }),
            Self.isDotted(parts[1], where: { $0.isLetterOrDigit || $0 == UInt8(ascii: "-") })
        else { return nil }
        self.text = String(text)
    }

    /// Parts between dots, none of them empty, of these signs alone.
    private static func isDotted(_ bytes: some Collection<UInt8>, where isAllowed: (UInt8) -> Bool) -> Bool {
        bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
            .allSatisfy { !$0.isEmpty && $0.allSatisfy(isAllowed) }
    }

    /// What stands behind the @.
    package var host: Substring { self.text.drop { $0 != "@" }.dropFirst() }

    /// As who may not change anything sees it.
    package var masked: String { "\(self.text.prefix(1))…@\(self.host)" }
}
