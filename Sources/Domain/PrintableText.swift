extension String {
    /// As it may be shown in a terminal: names are others', and nothing of them reaches it as anything but text.
    package var printable: String {
        String(
            String.UnicodeScalarView(self.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
    }
}
