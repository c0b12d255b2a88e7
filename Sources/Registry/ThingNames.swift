internal import Domain

/// Things by what their groups call them, as far as they call them anything.
struct ThingNames: Sendable {
    private var things: [ThingName: EntityID] = [:]
    private var names: [EntityID: ThingName] = [:]

    func thing(_ name: ThingName) -> EntityID? { self.things[name] }
    func name(of thing: EntityID) -> ThingName? { self.names[thing] }

    /// - Parameter name: nil if the thing has none, or is gone.
    mutating func set(_ thing: EntityID, to name: ThingName?) {
        let former = self.names[thing]
        guard former != name else { return }
        // Another may have it by now.
        if let former, self.things[former] == thing { self.things[former] = nil }
        self.names[thing] = name
        if let name { self.things[name] = thing }
    }
}
