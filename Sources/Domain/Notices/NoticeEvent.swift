internal import Values

/// What notices tell of. The names are what callers choose by, and what a notice says of itself (`type`).
package enum NoticeEvent: String, Sendable, CaseIterable {
    /// Its receiver has begun to fail.
    case failing = "WEBHOOK_FAILING"
    /// Half of the failures in a row that disable it.
    case halfLimit = "WEBHOOK_HALF_LIMIT"
    case disabled = "WEBHOOK_DISABLED"
    /// It works again, after one of the others.
    case recovered = "WEBHOOK_RECOVERED"
    /// Deliveries have ended for good without success.
    case givenUp = "DELIVERY_GIVEN_UP"
    /// What comes in waits for long, although its receiver does not fail.
    case behind = "WEBHOOK_BEHIND"
    /// An API key ends before long.
    case keyEnding = "KEY_ENDING"
    /// The client certificate of a webhook or its group ends before long.
    case certificateEnding = "CERTIFICATE_ENDING"

    /// The `type` of one that somebody has asked for, to see whether it arrives.
    package static let test = "TEST"

    /// How long after the first of its kind about a webhook there is no other.
    package static let windowSeconds: Int64 = 3_600
}

/// What people were told of a webhook's failures, and so what they are to be told next: one notice for each change, and none
/// for each message.
package struct FailureStory: Sendable, Equatable {
    package enum Told: Int16, Sendable {
        case nothing = 0, failing, halfLimit, disabled
    }

    package private(set) var told: Told
    /// Whether the last story began long enough ago for another to begin.
    private let mayBegin: Bool

    /// - Parameter told: as stored. What a newer version has written counts as the most that this one knows.
    package init(told: Int16, mayBegin: Bool) {
        self.told = Told(rawValue: told) ?? (told > 0 ? .disabled : .nothing)
        self.mayBegin = mayBegin
    }

    /// - Parameters:
    ///   - failures: in a row; 0 if it has just succeeded.
    ///   - limit: how many disable it; 0 if none do.
    package mutating func goOn(failures: Int, limit: Int, isDisabled: Bool) -> [NoticeEvent] {
        if isDisabled {
            // Each time somebody has enabled it in between.
            self.told = .disabled
            return [.disabled]
        }
        guard failures > 0 else {
            defer { self.told = .nothing }
            return self.told == .nothing ? [] : [.recovered]
        }
        let isHalf = limit > 1 && failures.multiplied(by: 2) >= limit
        switch self.told {
        case .nothing where self.mayBegin:
            self.told = isHalf ? .halfLimit : .failing
            return isHalf ? [.failing, .halfLimit] : [.failing]
        case .failing where isHalf:
            self.told = .halfLimit
            return [.halfLimit]
        default: return []
        }
    }
}
