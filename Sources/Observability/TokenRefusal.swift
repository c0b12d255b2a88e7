/// Why a token of a caller was not taken.
package enum TokenRefusal: String, Error, Sendable, CaseIterable {
    /// It is no JWT, or a claim is of the wrong kind.
    case malformed
    /// Its header asks for what is not understood (RFC 7515, section 4.1.11).
    case critical
    /// Not the algorithm of any key that there is.
    case algorithm
    /// No key has its `kid`.
    case key
    case signature
    /// It is for something else than calling: a token of sign-out, for example.
    case kind
    case issuer
    case audience
    /// It has ended, or says nothing of its end where that is required.
    case expired
    case early
    case subject
    /// The provider's keys are not at hand.
    case unavailable

    /// In words for whoever sent it.
    package var reason: String {
        switch self {
        case .malformed: "this one cannot be read"
        case .critical: "this one needs extensions that there are not (crit)"
        case .algorithm: "this one is signed by an algorithm that no key here is for (alg)"
        case .key: "this one is signed by a key that is not known here (kid)"
        case .signature: "the signature of this one is not right"
        case .kind: "this one is not made to call with"
        case .issuer: "this one is of another issuer (iss)"
        case .audience: "this one is made for somebody else (aud)"
        case .expired: "this one has ended, or has no end (exp)"
        case .early: "this one is not good yet (nbf)"
        case .subject: "this one names no user (sub)"
        case .unavailable: "the keys of the identity provider are not at hand"
        }
    }
}
