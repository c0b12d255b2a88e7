internal import LocalServices
internal import NIOCore

/// A group that is well, beside many webhooks that cannot send or have much to catch up with.
struct BesideScenario {
    let rig: Rig
    let options: LoadCommand

    private static let steady = 2_000
    private static let burst = 30_000

    private final class Lines {
        var all: [String] = []
    }

    func run() async throws -> String {
        let healthy = Tally(webhooks: 1, messages: 4_000_000, things: Directory.healthyThings)
        let lines = Lines()
        let first = try await self.rig.startHookline(healthy: healthy)
        do {
            let alone = try await self.measure("alone", healthy, from: 1_000_000, into: lines)
            lines.all.append("  memory        \(rounded(Usage.memory(of: first.pid).now, 1)) MiB")
            if self.options.catchUp > 0 {
                await first.stop()
                try await self.catchUp(healthy, alone, lines)
            } else {
                try await self.shut(first, healthy, alone, lines)
                await first.stop()
            }
        } catch {
            print(lines.all.joined(separator: "\n"))
            await first.stop()
            throw error
        }
        return lines.all.joined(separator: "\n")
    }

    private func shut(_ hookline: ChildProcess, _ healthy: Tally, _ alone: Double, _ lines: Lines) async throws {
        let (turn, receivers) = (Receiver.Turn(), self.rig.directory.besides)
        let tally = Tally(webhooks: self.options.shut, messages: self.messages, things: receivers.topics.count)
        try await Receiver.start(port: receivers.hanging, on: self.rig.loops, behaviour: .hangUntil(turn), tally: tally)
        try await Receiver.start(port: receivers.answering, on: self.rig.loops, tally: tally)
        try await self.publishBacklog(healthy)
        let beside = try await self.measure("beside", healthy, from: 2_000_000, into: lines)
        let memory = Usage.memory(of: hookline.pid)
        lines.all += [
            "  full load     \(rounded(beside / alone, 2)) of what it is alone",
            "  memory        \(rounded(memory.now, 1)) MiB, \(rounded(memory.peak, 1)) at the most",
        ]
        turn.over()
        try await Receiver.start(port: receivers.refusing, on: self.rig.loops, tally: tally)
        try await self.measureSteady("catching up", healthy, from: 3_000_000, into: lines)
        lines.all.append(self.caughtUp(tally, of: self.options.shut))
        lines.all.append("  memory        \(rounded(Usage.memory(of: hookline.pid).peak, 1)) MiB at the most")
    }

    private func catchUp(_ healthy: Tally, _ alone: Double, _ lines: Lines) async throws {
        let receivers = self.rig.directory.besides
        let filling = try await self.rig.launch()
        try await self.publishBacklog(healthy)
        await filling.stop()
        let tally = Tally(webhooks: self.options.catchUp, messages: self.messages, things: receivers.topics.count)
        for port in [receivers.refusing, receivers.hanging, receivers.answering] {
            try await Receiver.start(port: port, on: self.rig.loops, tally: tally)
        }
        let hookline = try await self.rig.launch()
        do {
            let before = healthy.counts.unique
            var number = 2_500_000
            try await waitUntil("hookline to forward again", within: .seconds(120)) {
                try await self.publish(number..<number + 1, rate: 0)
                number += 1
                try await Task.sleep(for: .milliseconds(100))
                return healthy.counts.unique > before
            }
            try await self.measureSteady("catching up", healthy, from: 3_000_000, into: lines)
            lines.all.append(self.caughtUp(tally, of: self.options.catchUp))
            lines.all.append("  memory        \(rounded(Usage.memory(of: hookline.pid).peak, 1)) MiB at the most")
            await hookline.stop()
        } catch {
            await hookline.stop()
            throw error
        }
    }

    private var messages: Int { self.options.waiting * self.rig.directory.besides.topics.count }

    /// Until the broker has nothing more of it.
    private func publishBacklog(_ healthy: Tally) async throws {
        try await self.rig.publisher("load", topics: self.rig.directory.besides.topics, size: self.options.size)
            .publish(0..<self.messages, rate: 0)
        let before = healthy.counts.unique
        try await self.publish(1_900_000..<1_900_001, rate: 0)
        try await waitUntil("what waits to be taken in", within: .seconds(600)) { healthy.counts.unique > before }
    }

    private func caughtUp(_ tally: Tally, of webhooks: Int) -> String {
        let counts = tally.counts
        let rate = Double(counts.unique) / max(0.001, counts.receivingSeconds)
        return "  caught up     \(counts.unique) of \(webhooks * self.options.waiting), "
            + "\(counts.duplicates) twice, \(rounded(rate))/s"
    }

    /// - Returns: deliveries a second at full load.
    private func measure(_ name: String, _ tally: Tally, from first: Int, into lines: Lines) async throws -> Double {
        try await self.measureSteady(name, tally, from: first, into: lines)
        let before = tally.counts
        let start = NIODeadline.now()
        try await self.publish(first + 100_000..<first + 100_000 + Self.burst, rate: 0)
        try await waitUntil("the healthy group's messages", within: .seconds(300)) {
            tally.counts.unique >= before.unique + Self.burst
        }
        let rate = Double(Self.burst) / Double((NIODeadline.now() - start).nanoseconds) * 1e9
        lines.all.append("  full load     \(rounded(rate))/s")
        return rate
    }

    private func measureSteady(_ name: String, _ tally: Tally, from first: Int, into lines: Lines) async throws {
        let before = tally.counts
        try await self.publish(first..<first + Self.steady, rate: 100)
        try await waitUntil("the healthy group's messages", within: .seconds(120)) {
            tally.counts.unique >= before.unique + Self.steady
        }
        var counts = tally.counts
        counts.latencies.removeFirst(before.latencies.count)
        let inTime = counts.latencies.count { $0 <= 100_000 }
        lines.all.append(
            "\(name): 100/s  \(inTime) of \(Self.steady) within 100 ms; \(Report.latencies(counts))")
    }

    private func publish(_ range: Range<Int>, rate: Int) async throws {
        try await self.rig.publisher("healthy", topics: self.rig.directory.healthy.topics, size: Payload.smallest)
            .publish(range, rate: rate)
    }
}
