/// What a receiver's answer means.
package enum AnswerMeaning: Sendable, Equatable {
    /// It has taken what it was sent.
    case taken
    /// It has not, as its status says.
    case refused
    /// Its status says that it has, and its body that it has not.
    case denied(Denial)

    /// Why a body may not say what the receiver meant.
    package enum BodyFault: Sendable, Equatable {
        /// It came packed as the receiver says, and could not be unpacked.
        case packed(String)
        /// It ended before its end.
        case brokeOff
    }

    package struct Denial: Sendable, Equatable {
        /// What should stand in the body, in words.
        let expected: String
        /// What does, in words.
        let found: String

        private static let beginning = "the answer says no"

        /// For everybody: what is found is left out.
        package var reason: String { "\(Self.beginning): \(self.expected)" }

        /// For who may see what receivers answer.
        package var error: String { "\(self.reason), and \(self.found)" }

        /// An attempt's error, as somebody sees it: what a receiver says may be meant for those who set it up.
        package static func shown(_ error: String, to role: Role) -> String {
            role < .editor && error.hasPrefix(Self.beginning) ? Self.beginning : error
        }
    }
}
