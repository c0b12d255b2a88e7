import Domain
import Synchronization
import Testing

@testable import API

@Suite("What comes in at the API's door")
struct DoorTests {
    @Test(
        "is refused by its place if a text has a zero byte",
        arguments: [
            (#"{"a":"x\u0000"}"#, "a"), (#"[{"a":{"b":["ok","\u0000"]}}]"#, "[0].a.b[1]"),
            (#"{"a":{"b\u0000":1}}"#, "a"), (#""\u0000""#, "the body"), (#"{"\u0000":1}"#, "the body"),
            (#"{"a":"\\u0000","b":[1,null,true]}"#, nil),
        ])
    func zeroBytes(json: String, field: String?) throws {
        var found: String?
        do throws(InvalidField) { _ = try JSONValue(reading: Array(json.utf8)) } catch { found = error.field }
        #expect(found == field)
    }
}

@Suite("The look behind /ready")
struct ReadinessProbeTests {
    @Test("is waited for no longer than a while, and is made once at a time")
    func hangs() async throws {
        let looks = Atomic(0)
        let probe = ReadinessProbe(patience: .milliseconds(50), overdue: "late") {
            looks.add(1, ordering: .relaxed)
            try? await Task.sleep(for: .seconds(100_000))
            return nil
        }
        let running = Task { try await probe.run() }
        for _ in 0..<3 { #expect(await probe.problem() == "late") }
        #expect(looks.load(ordering: .relaxed) == 1)
        running.cancel()
        try await running.value
    }

    @Test("tells everybody who waits what it found, and is made again for the next")
    func answers() async throws {
        let looks = Atomic(0)
        let probe = ReadinessProbe(patience: .seconds(100_000)) {
            looks.add(1, ordering: .relaxed).newValue == 1 ? "not yet" : nil
        }
        let running = Task { try await probe.run() }
        #expect(await probe.problem() == "not yet")
        let answers = await withTaskGroup(of: String?.self) { group in
            for _ in 0..<10 { group.addTask { await probe.problem() } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers == Array(repeating: nil, count: 10))
        running.cancel()
        try await running.value
    }
}
