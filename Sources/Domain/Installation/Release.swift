/// Which release this is.
package enum Release {
    /// As semver.org writes it: `major.minor.patch`. It stands here alone.
    package static let version = "0.2.0"

    /// Without what changes with each mend: who is sent requests may go by it, and need not know how far an installation is behind.
    package static let line = Self.version.split(separator: ".").prefix(2).joined(separator: ".")
}
