internal import LocalServices
internal import NIOCore

/// One run, and what it measures.
struct Scenario {
    let rig: Rig
    let options: LoadCommand

    func run() async throws -> Report {
        let healthy = Tally(webhooks: 1, messages: 1_000_000, things: Directory.healthyThings)
        let hookline = try await self.rig.startHookline(healthy: healthy)
        do {
            let report = try await self.measure(hookline, healthy)
            await hookline.stop()
            return report
        } catch {
            await hookline.stop()
            throw error
        }
    }

    private func measure(_ hookline: ChildProcess, _ healthy: Tally) async throws -> Report {
        let tally = Tally(
            webhooks: self.options.groups * self.options.fanOut, messages: self.options.messages,
            things: self.options.things)
        let expected = self.options.messages * self.options.fanOut
        let behaviours: [Receiver.Behaviour] = [.hang, .answerLate(.milliseconds(100))]
        for (port, behaviour) in zip(self.rig.directory.besidePorts, behaviours) {
            try await Receiver.start(port: port, on: self.rig.loops, behaviour: behaviour, tally: nil)
        }
        var report = Report(options: self.options)
        report.idleMemory = Usage.memory(of: hookline.pid).now
        if !self.options.outage { try await self.startReceivers(tally) }
        let before = (hookline: Usage.cpu(of: hookline.pid), postgres: Usage.cpuOfFamily(self.rig.server.pid))
        let written = try await WrittenBytes.look(at: self.rig.postgres)
        let publisher = self.rig.publisher("load", topics: self.rig.directory.topics, size: self.options.size)
        if self.options.outage {
            try await publisher.publish(0..<self.options.messages, rate: self.options.rate)
            // Behind everything that the broker still had to hand over.
            _ = try await self.publishToHealthy(healthy, from: 0, count: 1)
            report.healthyDuringOutage = try await self.publishToHealthy(healthy, from: 1, count: 2_000)
            report.outageMemory = Usage.memory(of: hookline.pid).peak
            try await self.startReceivers(tally)
            async let measured = self.publishToHealthy(healthy, from: 2_001, count: 2_000)
            try await self.wait(for: tally, expected)
            report.healthyDuringDrain = try await measured
        } else {
            async let published: Void = publisher.publish(0..<self.options.messages, rate: self.options.rate)
            async let beside = self.publishBeside(healthy)
            try await self.wait(for: tally, expected)
            try await published
            report.healthyBeside = try await beside
        }
        report.counts = tally.counts
        report.expected = expected
        report.cpu = Usage.cpu(of: hookline.pid) - before.hookline
        report.postgresCPU = Usage.cpuOfFamily(self.rig.server.pid) - before.postgres
        report.memory = Usage.memory(of: hookline.pid).peak
        report.written = try await WrittenBytes.look(at: self.rig.postgres) - written
        return report
    }

    private func startReceivers(_ tally: Tally) async throws {
        for port in self.rig.directory.ports {
            let behaviour: Receiver.Behaviour =
                if self.options.nagle {
                    .answerInTwo
                } else if self.options.latency > 0 {
                    .answerLate(.milliseconds(Int64(self.options.latency)))
                } else { .answer }
            try await Receiver.start(
                port: port, on: self.rig.loops, behaviour: behaviour, tls: self.rig.certificate?.context(), tally: tally
            )
        }
    }

    /// Until everything has come, or nothing has for a while.
    private func wait(for tally: Tally, _ expected: Int) async throws {
        var (last, idle) = (0, 0)
        while last < expected, idle < 900 {
            try await Task.sleep(for: .milliseconds(50))
            let now = tally.counts.unique
            idle = now == last ? idle + 1 : 0
            last = now
        }
    }

    /// What another group has beside a steady rate, for as long as that goes on.
    private func publishBeside(_ tally: Tally) async throws -> Tally.Counts? {
        guard self.options.rate > 0 else { return nil }
        let rate = min(10, max(1, self.options.rate / 10))
        let count = max(1, rate * self.options.messages / self.options.rate)
        return try await self.publishToHealthy(tally, from: 0, count: count, rate: rate)
    }

    /// - Returns: the latencies of what was published now.
    private func publishToHealthy(
        _ tally: Tally, from first: Int, count: Int, rate: Int = 200
    ) async throws -> Tally.Counts {
        let before = tally.counts
        // Behind what probed.
        let range = 100_000 + first..<100_000 + first + count
        try await self.rig.publisher("healthy", topics: self.rig.directory.healthy.topics, size: Payload.smallest)
            .publish(range, rate: rate)
        try await waitUntil("the healthy group's messages") { tally.counts.unique >= before.unique + count }
        var counts = tally.counts
        counts.latencies.removeFirst(before.latencies.count)
        return counts
    }
}
