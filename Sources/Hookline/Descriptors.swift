internal import Glibc

/// How many files and connections the process may have open, and for what.
struct Descriptors: Sendable, Equatable {
    /// All that there are.
    let limit: Int

    /// Beyond that nothing is gained, and what goes through all of them takes its time.
    private static let most: rlim_t = 1_048_576
    /// With fewer a thread or an event loop has none for itself, and nothing can go on.
    static let least = 128
    private static let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)

    /// Raises the soft limit as far as the hard one lets it. To be done before anybody asks how many there are.
    static func raise() {
        var limits = rlimit()
        guard getrlimit(Self.resource, &limits) == 0 else { return }
        limits.rlim_cur = min(limits.rlim_max, max(limits.rlim_cur, Self.most))
        // If that is refused it stays as it is, which `current` tells.
        _ = setrlimit(Self.resource, &limits)
    }

    static var current: Descriptors {
        var limits = rlimit()
        let isKnown = getrlimit(Self.resource, &limits) == 0
        return Descriptors(limit: isKnown ? Int(clamping: limits.rlim_cur) : 1_024)
    }

    /// - Throws: ``InvalidSetting`` if there are too few to begin with.
    func require() throws(InvalidSetting) {
        guard self.limit < Self.least else { return }
        throw InvalidSetting(
            setting: "ulimit -n",
            reason: "lets it have \(self.limit) files and connections open; it needs \(Self.least) "
                + "(LimitNOFILE of a unit)")
    }

    /// For the database, the broker, files and name servers.
    var reserve: Int { min(256, self.limit / 2) }

    /// Connections of the API: a fifth of the rest; receivers have most of what is left.
    var connections: Int { max(8, min(10_000, (self.limit - self.reserve) / 5)) }
}
