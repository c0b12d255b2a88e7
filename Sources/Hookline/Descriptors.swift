internal import Glibc

/// How many files and connections the process may have open, and for what.
struct Descriptors: Sendable, Equatable {
    /// All that there are.
    let limit: Int

    /// Beyond that nothing is gained, and what goes through all of them takes its time.
    private static let most: rlim_t = 1_048_576

    init(limit: Int) {
        self.limit = limit
    }

    /// Raises the soft limit as far as the hard one lets it.
    static func raised() -> Descriptors {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limits = rlimit()
        guard getrlimit(resource, &limits) == 0 else { return Descriptors(limit: 1_024) }
        let wanted = min(limits.rlim_max, max(limits.rlim_cur, Self.most))
        var raised = limits
        raised.rlim_cur = wanted
        if setrlimit(resource, &raised) == 0 { limits = raised }
        return Descriptors(limit: Int(clamping: limits.rlim_cur))
    }

    /// For the database, the broker, files and name servers.
    var reserve: Int { min(256, self.limit / 2) }

    /// Connections of the API: a third of the rest; receivers have what is left.
    var connections: Int { max(8, min(10_000, (self.limit - self.reserve) / 3)) }
}
