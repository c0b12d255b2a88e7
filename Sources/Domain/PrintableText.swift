extension String {
    /// As it may be shown in a terminal: names are others', and nothing of them reaches it as anything but text, which is read as it stands.
    package var printable: String {
        String(
            String.UnicodeScalarView(
                self.unicodeScalars.map { scalar in
                    let isOfText = scalar.properties.generalCategory != .control && !scalar.properties.isBidiControl
                    return isOfText ? scalar : " "
                }))
    }
}
