internal import Values

/// The rule that all names follow.
package enum Name {
    package static func checked(_ name: String?, field: String = "name") throws(InvalidField) -> String {
        if let fault = Self.fault(of: name ?? "") { throw InvalidField(field, fault) }
        return name ?? ""
    }

    /// Why nothing may be called so; nil if something may.
    private static func fault(of name: String) -> String? {
        guard !name.isEmpty else { return "is required" }
        guard name.unicodeScalars.count <= 254 else { return "must be at most 254 characters long" }
        let isPrintable = name.unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator, .surrogate: false
            default: true
            }
        }
        return isPrintable ? nil : "must consist of printable characters"
    }

    /// Whether something may be called so.
    package static func isName(_ text: String) -> Bool { Self.fault(of: text) == nil }

    /// Whether somebody may call something so by now: see ``chosen(_:insteadOf:field:)``.
    package static func isAllowed(_ text: String) -> Bool { Self.isName(text) && Self.isLegible(text) }

    /// As ``checked(_:field:)``, of what somebody calls something by now: people see what it says, and what they see is all of it.
    ///
    /// - Parameter former: as it is called already, which it may be called on.
    package static func chosen(
        _ name: String?, insteadOf former: String? = nil, field: String = "name"
    ) throws(InvalidField) -> String {
        let name = try Self.checked(name, field: field)
        if former?.isExactly(name) == true || Self.isLegible(name) { return name }
        throw InvalidField(
            field, "must not be spaces alone, nor have characters that nobody sees or that turn a text around")
    }

    /// In a page, a mail or a log an invisible character makes one name look like another, and one that turns a text around has it
    /// say what it does not.
    package static func isLegible(_ name: String) -> Bool {
        var former: Unicode.Scalar?
        for scalar in name.unicodeScalars {
            // Scripts and signs are put together by some of them; between letters of ASCII they do nothing.
            guard !scalar.properties.isDefaultIgnorableCodePoint || Self.joins(scalar, behind: former) else {
                return false
            }
            former = scalar
        }
        guard former.map(Self.isJoiner) != true else { return false }
        return name.unicodeScalars.contains { !$0.properties.isWhitespace && $0 != "\u{2800}" }
    }

    private static func joins(_ scalar: Unicode.Scalar, behind former: Unicode.Scalar?) -> Bool {
        guard let former else { return false }
        return switch scalar.value {
        case 0x200C, 0x200D: !former.isASCII && !Self.isJoiner(former)
        // Of a digit they make the sign of a key.
        case 0xFE0E, 0xFE0F: !former.isASCII || "0123456789#*".unicodeScalars.contains(former)
        case 0x180B...0x180D, 0xFE00...0xFE0D, 0xE0020...0xE007F, 0xE0100...0xE01EF: !former.isASCII
        default: false
        }
    }

    private static func isJoiner(_ scalar: Unicode.Scalar) -> Bool { (0x200C...0x200D).contains(scalar.value) }
}
