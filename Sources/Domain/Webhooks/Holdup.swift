package import Values

/// Why what comes for a webhook does not go out at once, for its owners: what it waits for, and what would help.
package struct Holdup: Sendable, Equatable {
    /// A name that does not change, for who reads it by machine.
    package enum Reason: String, Sendable, CaseIterable {
        /// Its owners, or Hookline, have disabled it.
        case disabled
        /// The receiver has failed several times in a row.
        case breaker
        /// The receiver said when to come back, or there is nobody to ask where it is.
        case pause
        /// The webhook's own rate.
        case rate
        /// What all webhooks of its group share.
        case groupRate = "group_rate"
        /// What all webhooks share of the groups that count for one user.
        case userRate = "user_rate"
        /// The message before it of the same thing.
        case order
        /// The next try of what has failed.
        case retry
        /// As many requests are under way as the receiver does well with.
        case receiver
        /// As many requests are under way as there may be.
        case limit = "max_in_flight"
        /// All connections are in use, or what the request says of things is being read.
        case connections
        case token
        /// More messages for the same request.
        case batch
        /// What waits in the database is being read.
        case backlog
    }

    package let reason: Reason
    /// When what has waited for longest came in; nil if that is in the database.
    package let since: Instant?
    /// Requests under way.
    package let inFlight: Int

    package init(_ reason: Reason, since: Instant?, inFlight: Int) {
        self.reason = reason
        self.since = since
        self.inFlight = inFlight
    }

    /// One or two sentences.
    package var hint: String {
        switch self.reason {
        case .disabled: "It is not enabled. What has come in goes out when it is."
        case .breaker:
            "The receiver has failed several times in a row. One request at a time tries whether it is back; the log says why."
        case .pause:
            "The receiver or the token url asked to be left alone (Retry-After), its host could not be looked up, or the proxy did not do its part. Saving the webhook ends that."
        case .rate: "rate_limit lets no more out. A higher rate, or overflow, keeps what waits from growing old."
        case .groupRate: "The group's webhooks share a rate, DELIVERY_GROUP_RATE, which is used up."
        case .userRate:
            "The webhooks of all groups that count for the same user share a rate, DELIVERY_USER_RATE, which is used up."
        case .order:
            "A thing's message waits for the one before it. Where order does not matter, the ordering none sends them at the same time."
        case .retry: "What has failed waits for its next try. The log says why it failed; a replay sends it now."
        case .receiver:
            "\(self.inFlight) requests are under way, and with more the receiver becomes slower or refuses them. Faster answers help, or several messages in one request (batch)."
        case .limit:
            "\(self.inFlight) requests are under way, which is what max_in_flight or DELIVERY_CONNECTIONS allows."
        case .connections:
            "No connection is free: DELIVERY_ORIGIN_CONNECTIONS for all webhooks of one receiver, DELIVERY_ALL_CONNECTIONS for all."
        case .token: "An access token is being asked for at auth.token_url."
        case .batch: "More messages for the same request are waited for (batch.max_wait_ms)."
        case .backlog: "What waits in the database is being read, oldest first."
        }
    }
}
