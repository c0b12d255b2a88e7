internal import Glibc
internal import LocalServices

/// Messages flow through twenty webhooks of which one is away, and the size of every table and index is looked at meanwhile.
///
/// What waits for the one that is away has to be somewhere, and so does the log for as long as it is kept; what else grows
/// would grow for ever.
struct SoakScenario {
    static let webhooks = 20
    /// How often the sizes are looked at; even, so that one look is in the middle.
    private static let looks = 8

    let rig: Rig
    let options: LoadCommand

    func run() async throws -> String {
        let healthy = Tally(webhooks: 1, messages: 4_000_000, things: Directory.healthyThings)
        let hookline = try await self.rig.startHookline(healthy: healthy)
        do {
            let text = try await self.soak(healthy)
            await hookline.stop()
            return text
        } catch {
            await hookline.stop()
            throw error
        }
    }

    private func soak(_ healthy: Tally) async throws -> String {
        let seconds = max(1, Int(self.options.soak * 60) / Self.looks)
        let messages = self.options.rate * seconds * Self.looks
        let tally = Tally(webhooks: Self.webhooks, messages: messages, things: self.options.things)
        // Nobody listens at the first.
        for port in self.rig.directory.ports.dropFirst() {
            try await Receiver.start(port: port, on: self.rig.loops, tally: tally)
        }
        async let published: Void = self.rig.publisher(
            "load", topics: self.rig.directory.topics, size: self.options.size
        ).publish(0..<messages, rate: self.options.rate)
        var sizes: [TableSizes] = []
        for look in 1...Self.looks {
            let latencies = try await self.serve(healthy, from: 1_000_000 + look * 100 * seconds, for: seconds)
            sizes.append(try await TableSizes.look(at: self.rig.postgres))
            print("after \(look * seconds) s: another group at 100/s \(latencies)")
            print(sizes[sizes.count - 1].text)
            fflush(nil)
        }
        try await published
        let expected = messages / Self.webhooks * (Self.webhooks - 1)
        return """
            soak: \(self.options.rate)/s for \(seconds * Self.looks) s, \(tally.counts.unique) of \(expected) delivered
            \(sizes[Self.looks - 1].growth(since: sizes[Self.looks / 2 - 1], payload: self.options.size))
            """
    }

    /// - Returns: the latencies of another group's messages.
    private func serve(_ healthy: Tally, from first: Int, for seconds: Int) async throws -> String {
        let before = healthy.counts
        try await self.rig.publisher("healthy", topics: self.rig.directory.healthy.topics, size: Payload.smallest)
            .publish(first..<first + 100 * seconds, rate: 100)
        try await waitUntil("the healthy group's messages", within: .seconds(120)) {
            healthy.counts.unique >= before.unique + 100 * seconds
        }
        var counts = healthy.counts
        counts.latencies.removeFirst(before.latencies.count)
        return Report.latencies(counts)
    }
}
