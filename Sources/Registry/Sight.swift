package import Domain

/// Which groups a list over several of them is made of.
package enum Sight: Sendable {
    case everything
    /// Those that a user is a member of.
    case member(String)
    case group(EntityID)
}
