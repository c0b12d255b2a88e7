package import NIOCore

/// Why a host has no addresses.
package enum LookupFailure: Error, Sendable, Equatable {
    /// There is no such host, or it has no address: somebody who knows has said so.
    case noSuchHost(String)
    /// Nobody has answered, so nothing is known of the host.
    case unanswered(String)
}

/// A host's addresses in the system's order, without a port.
package typealias LookupAnswer = Result<[SocketAddress], LookupFailure>

/// How lookups share their threads.
package struct LookupLimits: Sendable {
    /// A lookup cannot be called off: it has its thread until it returns, whoever still waits for it.
    package var threads = 16
    /// So many of them for one group at a time, …
    package var threadsPerOwner = 4
    /// … for all hosts that were slow lately, and for those of one group.
    package var threadsForSlow = 4
    package var threadsForSlowPerOwner = 1
    /// Who has waited so long is told that nobody has answered.
    package var patience: TimeAmount = .seconds(10)
    /// A lookup that took so long makes its host a slow one, for a while.
    package var slowAfter: TimeAmount = .seconds(2)
    package var remembersSlow: TimeAmount = .minutes(10)
    package var remembersGood: TimeAmount = .seconds(5)
    package var remembersBad: TimeAmount = .seconds(2)
    /// Hosts that are waited for or remembered.
    package var mostHosts = 10_000
    package var mostHostsWaitingPerOwner = 1_000

    package init() {}
}

extension LookupAnswer {
    static var silence: LookupAnswer { .failure(.unanswered("the name server does not answer")) }
    static var tooMany: LookupAnswer { .failure(.unanswered("too many hosts are being looked up")) }
}
