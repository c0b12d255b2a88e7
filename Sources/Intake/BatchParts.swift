internal import Domain
internal import Queue

/// What a batch has for one node of the database.
struct BatchPart: Sendable {
    /// nil is for what is committed as everything is where there are no nodes: of which it is not known where it is, or that
    /// cannot be committed there.
    let node: DataNode?
    var batch = SortedBatch()
}

extension SortedBatch {
    /// Whether its parts can be committed without each other. What changes alarms, or what is left out of a thing's messages, is judged
    /// anew if another instance was faster, and then nothing of the batch may be there.
    var comesApart: Bool {
        self.alarmChanges.isEmpty && self.thinning.changes.isEmpty && self.thinning.later.isEmpty
    }

    /// The groups that rows are written of.
    var groups: Set<EntityID> {
        var groups: Set<EntityID> = []
        // Most come one after the other.
        var last: EntityID?
        for message in self.messages where message.group != last {
            groups.insert(message.group)
            last = message.group
        }
        for subject in self.memory.keys { groups.insert(subject.group) }
        return groups
    }

    /// The same messages, deliveries and memory, apart by the node that has their groups; what has none at the end. All keep their
    /// order, and no part is without messages.
    ///
    /// - Parameter nodes: of groups that are not in it, it is not known.
    func parts(at nodes: [EntityID: DataNode]) -> [BatchPart] {
        var parts: [BatchPart] = []
        var places: [DataNode?: Int] = [:]
        func place(of group: EntityID) -> Int? { places[nodes[group]] }
        for message in self.messages {
            let node = nodes[message.group]
            let place = places[node] ?? parts.count
            if place == parts.count {
                places[node] = place
                parts.append(BatchPart(node: node))
            }
            parts[place].batch.messages.append(message)
        }
        guard !parts.isEmpty else { return [] }
        for delivery in self.deliveries {
            // It is of one of the messages.
            parts[place(of: delivery.message.group) ?? 0].batch.deliveries.append(delivery)
        }
        for (subject, memory) in self.memory {
            // That of messages that nobody wants is written with others, wherever it belongs.
            parts[place(of: subject.group) ?? 0].batch.memory[subject] = memory
        }
        return parts.filter { $0.node != nil } + parts.filter { $0.node == nil }
    }
}
