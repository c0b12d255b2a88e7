internal import Glibc
internal import Observability
internal import Synchronization

/// How far something is, as one line of a terminal that is written over and over. Where there is no terminal nothing is
/// shown, and neither is it when there is nothing to wait for.
final class ProgressBar: Sendable {
    private struct State {
        var label = ""
        var done: Int64 = 0
        var total: Int64 = 0
        var begun: ContinuousClock.Instant
        var drawn: ContinuousClock.Instant?
        var isShown = false
    }

    private static let patience: Duration = .milliseconds(500)
    private static let interval: Duration = .milliseconds(100)
    private static let width = 30

    private let state: Mutex<State>
    private let clock = ContinuousClock()
    private let isTerminal: Bool

    init(isTerminal: Bool = isatty(STDERR_FILENO) == 1) {
        self.state = Mutex(State(begun: ContinuousClock.now))
        self.isTerminal = isTerminal
    }

    /// - Parameters:
    ///   - label: what is being done; another one begins anew.
    ///   - total: 0 if it is not known.
    func show(_ label: String, _ done: Int64, of total: Int64) {
        guard self.isTerminal else { return }
        self.state.withLock { state in
            let now = self.clock.now
            if state.label != label {
                state.label = label
                state.begun = now
            }
            (state.done, state.total) = (done, total)
            self.draw(&state, at: now)
        }
    }

    /// Draws again while `body` runs, so that time is seen to pass in a step that says nothing of its own.
    func ticking<T: Sendable>(_ body: @Sendable @escaping () async throws -> T) async throws -> T {
        defer { self.clear() }
        return try await withThrowingTaskGroup(of: T?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                while !Task.isCancelled {
                    try? await Task.sleep(for: Self.patience)
                    self.state.withLock { self.draw(&$0, at: self.clock.now) }
                }
                return nil
            }
            defer { group.cancelAll() }
            while let finished = try await group.next() {
                if let finished { return finished }
            }
            throw CancellationError()
        }
    }

    /// Leaves the line as if nothing had been on it.
    func clear() {
        self.state.withLock { state in
            if state.isShown { Self.write("\r\u{1B}[K") }
            state.isShown = false
        }
    }

    private func draw(_ state: inout State, at now: ContinuousClock.Instant) {
        guard self.isTerminal, !state.label.isEmpty, state.isShown || now - state.begun >= Self.patience else { return }
        if let drawn = state.drawn, now - drawn < Self.interval, state.done < state.total { return }
        state.drawn = now
        state.isShown = true
        Self.write("\r\(Self.line(state.label, state.done, of: state.total, after: now - state.begun))\u{1B}[K")
    }

    /// `things     [#########                     ] 31 %  12,000 of 39,000  4 s, about 9 s to go`
    static func line(_ label: String, _ done: Int64, of total: Int64, after elapsed: Duration) -> String {
        let seconds = elapsed.components.seconds
        guard total > 0 else { return "\(label)  \(seconds) s" }
        let part = min(1, Double(done) / Double(total))
        let filled = Int(part * Double(Self.width))
        let bar = String(repeating: "#", count: filled) + String(repeating: " ", count: Self.width - filled)
        var text = "\(label)  [\(bar)] \(Int(part * 100)) %  \(grouped(done)) of \(grouped(total))  \(seconds) s"
        if seconds > 1, part > 0.02, part < 1 {
            text += ", about \(Int((Double(seconds) / part * (1 - part)).rounded(.up))) s to go"
        }
        return text
    }

    private static func write(_ text: String) {
        LineLogHandler.writeToStandardError(text)
    }
}

/// A number with commas between its thousands.
func grouped(_ number: Int64) -> String {
    let digits = String(number.magnitude)
    var text = ""
    for (index, digit) in digits.enumerated() {
        if index > 0, (digits.count - index).isMultiple(of: 3) { text += "," }
        text.append(digit)
    }
    return number < 0 ? "-\(text)" : text
}
