extension StringProtocol {
    /// As it may be shown in a line: text is others', and nothing of it is obeyed by a terminal, ends the line, or turns around
    /// what stands beside it.
    package var printable: String {
        String(String.UnicodeScalarView(self.unicodeScalars.map { $0.isObeyed ? " " : $0 }))
    }

    /// The same, cut. One character can be any number of scalars, so it is those that are counted.
    package func printable(most: Int) -> String {
        let scalars = self.unicodeScalars
        let end = scalars.index(scalars.startIndex, offsetBy: most, limitedBy: scalars.endIndex)
        guard let end, end < scalars.endIndex else { return self.printable }
        return String(String.UnicodeScalarView(scalars[..<end])).printable + "…"
    }
}

extension Unicode.Scalar {
    fileprivate var isObeyed: Bool {
        switch self.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: true
        // Two join letters, as in Persian, and pictures.
        case .format: self != "\u{200C}" && self != "\u{200D}"
        default: false
        }
    }
}
