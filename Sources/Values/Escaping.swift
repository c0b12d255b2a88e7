extension StringProtocol {
    /// With some of its signs written otherwise, for who reads the text by its signs.
    ///
    /// Scalar by scalar, and never by `Character`: what is joined to a sign, such as an accent behind it or one of the letters
    /// that join what follows, makes another character of both, and for the reader it stays that sign.
    ///
    /// - Parameter escape: how one is written instead; nil leaves it.
    package func escaping(_ escape: (Unicode.Scalar) -> String?) -> String {
        var escaped = String.UnicodeScalarView()
        for scalar in self.unicodeScalars {
            if let other = escape(scalar) {
                escaped.append(contentsOf: other.unicodeScalars)
            } else {
                escaped.append(scalar)
            }
        }
        return String(escaped)
    }
}
