package import Domain

/// Lists of messages. An array of arrays would have to be rectangular, so all stand in one, and each is a slice of it.
package struct MessageIDLists {
    package private(set) var all: [Int64] = []
    package private(set) var starts: [Int32] = []
    package private(set) var ends: [Int32] = []

    package init(_ lists: [[MessageID]]) {
        for list in lists {
            self.starts.append(Int32(self.all.count + 1))
            self.all += list.lazy.map(\.rawValue)
            self.ends.append(Int32(self.all.count))
        }
    }
}
