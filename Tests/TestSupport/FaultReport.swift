internal import Glibc
internal import LocalServices

/// What a fault did, as a line that people read: printed, and added to the file that `FAULT_REPORT` names.
package enum FaultReport {
    /// How much larger than usual the loads are: `FAULT_SCALE`, 1 unless `make test-faults` says otherwise.
    package static var scale: Int {
        getenv("FAULT_SCALE").flatMap { Int(String(cString: $0)) }.map { max(1, $0) } ?? 1
    }

    /// - Parameters:
    ///   - recovery: from the fault, or from its end, to the first message that went through again.
    package static func add(
        _ fault: String, sent: Int, delivered: Int, duplicates: Int, recovery: Duration? = nil
    ) throws {
        let name = fault + String(repeating: " ", count: max(0, 58 - fault.count))
        let time = recovery.map {
            "\(Int($0.components.seconds * 1_000 + $0.components.attoseconds / 1_000_000_000_000_000)) ms"
        }
        let line =
            "\(name) sent \(sent), delivered \(delivered), duplicates \(duplicates), lost \(sent - delivered), "
            + "recovered in \(time ?? "-")"
        print(line)
        guard let path = getenv("FAULT_REPORT").map({ String(cString: $0) }) else { return }
        // The tests of the whole service run one after the other.
        try Files.write((Files.read(path) ?? "") + line + "\n", to: path)
    }

    /// Waits until more has been delivered than `count`, and tells how long that is after `start`.
    package static func recovery(
        of receiver: Receiver, beyond count: Int, since start: ContinuousClock.Instant
    ) async throws -> Duration {
        try await waitUntil("deliveries to go on", within: .seconds(120)) { receiver.bodies.unique > count }
        return start.duration(to: .now)
    }
}
