import Postgres
import StoreTestSupport

@testable import Queue

extension Fixture {
    /// Housekeeping at a time of the database's, in milliseconds since 1970.
    func housekeeping(at now: Int64) -> HousekeepingStore {
        var store = HousekeepingStore(self.database)
        store.now = "to_timestamp(\(now) / 1000.0)"
        return store
    }

    func partitions(at now: Int64) -> PartitionStore {
        var store = PartitionStore(self.database)
        store.now = "to_timestamp(\(now) / 1000.0)"
        return store
    }
}
