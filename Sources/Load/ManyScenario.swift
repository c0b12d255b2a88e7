internal import Domain
internal import LocalServices
internal import NIOCore
internal import NIOPosix
internal import WebhookClient

/// Many webhooks that are quiet most of the time, beside a group that is not: what they take, and what a burst to all of them
/// and a save of one cost the others.
struct ManyScenario {
    let rig: Rig
    let options: LoadCommand

    private static let steady = 2_000
    private static let saves = 20

    func run() async throws -> String {
        let healthy = Tally(webhooks: 1, messages: 4_000_000, things: Directory.healthyThings)
        let bare = try await self.rig.startHookline(healthy: healthy)
        let before = Usage.memory(of: bare.pid).now
        await bare.stop()
        var directory = self.rig.directory
        let webhooks = try await directory.addMany(self.options)
        let start = NIODeadline.now()
        let hookline = try await self.rig.launch()
        do {
            let lines = try await self.measure(hookline, directory, webhooks, healthy, since: start, before: before)
            await hookline.stop()
            return lines.joined(separator: "\n")
        } catch {
            await hookline.stop()
            throw error
        }
    }

    private func measure(
        _ hookline: ChildProcess, _ directory: Directory, _ webhooks: [EntityID], _ healthy: Tally,
        since start: NIODeadline, before: Double
    ) async throws -> [String] {
        let first = healthy.counts.unique
        var number = 1_000_000
        try await waitUntil("hookline to forward again", within: .seconds(300)) {
            try await self.publish(number..<number + 1, rate: 0)
            number += 1
            try await Task.sleep(for: .milliseconds(50))
            return healthy.counts.unique > first
        }
        let started = Double((NIODeadline.now() - start).nanoseconds) / 1e9
        try await self.publish(1_100_000..<1_120_000, rate: 0)
        try await Task.sleep(for: .seconds(3))
        let idle = Usage.memory(of: hookline.pid).now
        let perWebhook = (idle - before) * 1_024 * 1_024 / Double(webhooks.count)
        var lines = [
            "\(webhooks.count) webhooks in \(self.options.groups) groups",
            "  start         \(rounded(started, 1)) s until the first message goes out",
            "  memory        \(rounded(idle, 1)) MiB, \(rounded(before, 1)) without them: "
                + "\(rounded(perWebhook)) bytes for each",
        ]
        lines.append(try await self.steady("quiet", healthy, from: 2_000_000) {})
        lines.append(
            try await self.steady("one is saved again and again", healthy, from: 2_100_000) {
                let times = try await self.save(webhooks, in: directory).sorted()
                return
                    "  a save        p50 \(rounded(times[times.count / 2], 1)) ms, at most \(rounded(times[times.count - 1], 1)) ms"
            })
        lines.append(
            try await self.steady("a burst to all of them", healthy, from: 2_200_000) {
                try await self.burst(directory, webhooks.count)
            })
        lines.append("  memory        \(rounded(Usage.memory(of: hookline.pid).peak, 1)) MiB at the most")
        return lines
    }

    /// What comes to a group beside them while `body` runs.
    private func steady<Found>(
        _ name: String, _ tally: Tally, from first: Int, while body: () async throws -> Found
    ) async throws -> String {
        let before = tally.counts
        async let published: Void = self.publish(first..<first + Self.steady, rate: 100)
        let found = try await body()
        try await published
        try await waitUntil("the healthy group's messages", within: .seconds(120)) {
            tally.counts.unique >= before.unique + Self.steady
        }
        var counts = tally.counts
        counts.latencies.removeFirst(before.latencies.count)
        let inTime = counts.latencies.count { $0 <= 100_000 }
        let line = "\(name): 100/s  \(inTime) of \(Self.steady) within 100 ms; \(Report.latencies(counts))"
        return (found as? String).map { "\(line)\n\($0)" } ?? line
    }

    private func publish(_ range: Range<Int>, rate: Int) async throws {
        try await self.rig.publisher("healthy", topics: self.rig.directory.healthy.topics, size: Payload.smallest)
            .publish(range, rate: rate)
    }

    /// To each webhook at least three, all at once.
    private func burst(_ directory: Directory, _ webhooks: Int) async throws -> String {
        let messages = self.options.groups * max(3, 30_000 / webhooks)
        let tally = Tally(webhooks: webhooks, messages: messages, things: directory.topics.count)
        for port in directory.ports { try await Receiver.start(port: port, on: self.rig.loops, tally: tally) }
        let expected = messages / self.options.groups * webhooks
        try await self.rig.publisher("load", topics: directory.topics, size: self.options.size)
            .publish(0..<messages, rate: 0)
        try await waitUntil("what goes to all of them", within: .seconds(600)) { tally.counts.unique >= expected }
        let counts = tally.counts
        return "  burst         \(rounded(Double(expected) / max(0.001, counts.seconds)))/s, "
            + "\(expected) deliveries, \(counts.duplicates) twice"
    }

    /// - Returns: how long saving took, in milliseconds.
    private func save(_ webhooks: [EntityID], in directory: Directory) async throws -> [Double] {
        let token = try await self.rig.token()
        let threads = NIOThreadPool(numberOfThreads: 1)
        threads.start()
        var client = ClientConfiguration(resolver: Resolver(threads: threads))
        client.addressGuard = AddressGuard(allowed: ["127.0.0.0/8"].compactMap { Network($0) })
        var times: [Double] = []
        for round in 0..<Self.saves {
            let index = round * 7_919 % webhooks.count
            let url = directory.url(ofMany: index)
            let body = #"{"name":"saved \#(round)","url":"\#(url)"}"#
            let head = """
                PUT /webhooks/\(webhooks[index]) HTTP/1.1\r
                host: 127.0.0.1\r
                authorization: Bearer \(token)\r
                content-type: application/json\r
                content-length: \(body.utf8.count)\r
                \r

                """
            let start = NIODeadline.now()
            let outcome = await SingleRequest.send(
                to: try WebhookURL("http://127.0.0.1:\(self.rig.apiPort)/"), on: self.rig.loops.next(),
                configuration: client
            ) { $0.writeString(head + body) }
            guard case .response(200, _, _) = outcome else {
                throw LocalServiceError("a webhook cannot be saved: \(outcome)")
            }
            times.append(Double((NIODeadline.now() - start).nanoseconds) / 1e6)
            try await Task.sleep(for: .milliseconds(500))
        }
        threads.shutdownGracefully { _ in }
        return times
    }
}
