internal import Synchronization

/// Whether whoever waits is to stop waiting. Once set it stays so.
final class Interruption: Sendable {
    private let flag = Atomic(false)

    var isSet: Bool { self.flag.load(ordering: .acquiring) }

    func set() {
        self.flag.store(true, ordering: .releasing)
    }
}
