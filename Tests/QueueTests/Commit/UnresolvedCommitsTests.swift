import Domain
import Testing

@testable import Queue

@Suite("Commits that were given up")
struct UnresolvedCommitsTests {
    private func message(_ id: Int64, _ payload: String) -> Message {
        Message(
            id: MessageID(rawValue: id), thing: Message.noThing, group: .random(), subtopic: "s", contentType: "a/b",
            payload: Array(payload.utf8), traceparent: nil, isKept: false, receivedNanoseconds: nil)
    }

    @Test("a message that comes again after its commit was given up is known by what it says, as often as it came")
    func unresolved() {
        var commits = UnresolvedCommits()
        commits.note([self.message(1, "a"), self.message(2, "a"), self.message(3, "b")])
        let again = [self.message(11, "a"), self.message(12, "c")]
        #expect(commits.former(of: again) == [MessageID(rawValue: 2)])
        #expect(commits.former(of: again) == [MessageID(rawValue: 2)], "until it is settled")
        commits.settle(again)
        #expect(commits.former(of: again) == [MessageID(rawValue: 1)])
        commits.settle([self.message(13, "a"), self.message(14, "b")])
        #expect(commits.isEmpty)
    }

    @Test("are remembered within bounds, in which those that are settled make room")
    func bounded() {
        var commits = UnresolvedCommits(mostMessages: 2, mostBytes: 3)
        for id in Int64(1)...9 {
            commits.note([self.message(id, "abc")])
            #expect(commits.former(of: [self.message(100, "abc")]) == [MessageID(rawValue: id)])
            commits.settle([self.message(100, "abc")])
        }
        commits.note((1...3).map { self.message($0, "") })
        #expect(commits.former(of: (11...13).map { self.message($0, "") }).count == 2)
    }
}
