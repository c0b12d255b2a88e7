internal import Values

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

        /// Why nobody may be given the body who reads bytes alone: they would take it for what the receiver meant. nil if it is that, as where
        /// the receiver names a character set in place of a coding.
        package var untold: String? {
            switch self {
            case .brokeOff: "the answer broke off before its end"
            case .packed(let coding) where Self.packs(coding):
                "it is sent with content-encoding \(coding), which cannot be unpacked"
            case .packed: nil
            }
        }

        private static func packs(_ coding: String) -> Bool {
            coding.parts(between: ",").contains { Self.codings.contains($0.trimmingSpaces) }
        }

        /// All that there are (https://www.iana.org/assignments/http-parameters), but the one that changes nothing.
        private static let codings: Set<String> = [
            "aes128gcm", "br", "compress", "dcb", "dcz", "deflate", "exi", "gzip", "pack200-gzip", "x-compress",
            "x-gzip", "zstd",
        ]
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
