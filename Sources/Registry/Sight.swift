package import Domain

/// Which groups a list over several of them is made of.
package enum Sight: Sendable {
    case everything
    /// Those that a user is a member of, and those that are granted besides.
    case member(String, granted: [EntityID] = [])
    case group(EntityID)
}
