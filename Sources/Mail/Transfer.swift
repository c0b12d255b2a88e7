internal import Synchronization

/// One message on its way. libcurl's thread has it, and who wants to stop it.
final class Transfer: Sendable {
    private struct State {
        var sent = 0
        var refusal: String?
        /// Whether more lines of it are to come.
        var goesOn = false
        var isOfMessage = false
        var isOver = false
    }

    private let message: [UInt8]
    private let state = Mutex(State())
    private let stops = Atomic(false)

    init(_ message: [UInt8]) {
        self.message = message
    }

    var isCancelled: Bool { self.stops.load(ordering: .relaxed) }
    /// What the server said to the last command, if it was a refusal (RFC 5321, section 4.2).
    var refusal: String? { self.state.withLock { $0.refusal } }
    /// Whether that was about the message or who it is for. Before them it is about Hookline, its address or its account.
    var isOfMessage: Bool { self.state.withLock { $0.isOfMessage } }

    func cancel() {
        self.stops.store(true, ordering: .relaxed)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        self.state.withLock { state in
            let part = self.message[state.sent...].prefix(buffer.count)
            unsafe buffer.copyBytes(from: part)
            state.sent += part.count
            return part.count
        }
    }

    /// Passwords are among what is said; only the names of commands are looked at.
    func said(_ command: UnsafeRawBufferPointer) {
        let name = unsafe String(decoding: command.prefix(4), as: UTF8.self).uppercased()
        self.state.withLock { state in
            // Said behind whatever has become of the message, and answered with nothing about it.
            guard name != "QUIT" else { return state.isOver = true }
            state.refusal = nil
            state.goesOn = false
            state.isOfMessage = name == "RCPT" || name == "DATA"
        }
    }

    func heard(_ line: UnsafeRawBufferPointer) {
        let bytes = unsafe line.prefix(200).map { (0x20...0x7E).contains($0) ? $0 : UInt8(ascii: " ") }
        guard let first = bytes.first, first == UInt8(ascii: "4") || first == UInt8(ascii: "5") else { return }
        let code = String(decoding: bytes.prefix(3), as: UTF8.self)
        let words = String(decoding: bytes.dropFirst(4), as: UTF8.self).split(separator: " ")
        self.state.withLock { state in
            guard !state.isOver else { return }
            var parts = state.goesOn ? state.refusal?.split(separator: " ") ?? [] : [code[...]]
            // Its enhanced status stands in each line (RFC 2034, section 4).
            parts += parts.count > 1 && parts[1] == words.first ? words.dropFirst() : words[...]
            state.refusal = String(parts.joined(separator: " ").prefix(Self.longestRefusal))
            state.goesOn = bytes.dropFirst(3).first == UInt8(ascii: "-")
        }
    }

    private static let longestRefusal = 400
}
