import LocalServices
import Synchronization
import TestSupport
import Testing

extension DeclaringTests {
    /// What answers is no Hookline, but says of groups what one says.
    @Suite("An apply beside others, and behind what answers for the API")
    struct ApplyAnswersTests {
        private static let ids = (1...2).map { "00000000-0000-4000-8000-00000000000\($0)" }

        /// Groups as the API lists them, each with how many things may be made in an hour.
        private static func groups(_ numbers: [Int]) -> String {
            let groups = zip(Self.ids, numbers).enumerated().map { index, group in
                #"{"id":"\#(group.0)","name":"G\#(index + 1)","role":"owner","new_things_per_hour":\#(group.1)}"#
            }
            return #"{"groups":[\#(groups.joined(separator: ","))],"total":\#(groups.count)}"#
        }

        private static func apply(_ text: String, to receiver: Receiver, _ more: String...) async throws
            -> (end: String, output: String)
        {
            let path = try Files.makeTemporaryFolder() + "/hookline.yaml"
            try Files.write(text, to: path)
            return try await HooklineProcess.run(
                ["apply", "-f", path, "--yes"] + more, ["HOOKLINE_URL": receiver.url(""), "HOOKLINE_KEY": "key"])
        }

        private static func changes(_ receiver: Receiver) -> [String] {
            receiver.requests.filter { $0.method != "GET" }.map { "\($0.method) \($0.path) \($0.body)" }
        }

        @Test("tries again what a proxy had no answer to, and takes it back then, for it may have been done")
        func gateway() async throws {
            let receiver = try await Receiver.start()
            receiver.set(.content(200, "{}"), at: "*")
            receiver.set(.content(200, Self.groups([7])), at: "/groups")
            let group = "/groups/\(Self.ids[0])"
            let tries = Mutex(0)
            receiver.set(
                .respond { _ in
                    let number = tries.withLock { tries in
                        tries += 1
                        return tries
                    }
                    return (number <= 2 ? 504 : 200, "{}")
                }, at: group)
            let failed = try await Self.apply("groups: [{name: G1, new_things_per_hour: 9}]", to: receiver)
            #expect(failed.end == "exited(1)" && failed.output.contains("PUT \(group): 504"), "\(failed)")
            #expect(failed.output.contains("What was done of this group is taken back.\n"), "\(failed)")
            let put = #"PUT \#(group) {"name":"G1","new_things_per_hour":"#
            #expect(Self.changes(receiver) == ["\(put)9}", "\(put)9}", "\(put)7}"])
            await receiver.stop()
        }

        private static let profile = "00000000-0000-4000-8000-00000000000a"

        /// Makes a profile, and a webhook to which this is answered.
        ///
        /// - Parameter removal: what is answered when the profile is to be removed again.
        /// - Returns: what was told, what was asked for, and what the state says.
        private static func making(
            webhook: (Int, String), removal: (Int, String)
        ) async throws -> (told: String, changes: [String], state: String) {
            let receiver = try await Receiver.start()
            receiver.set(.content(200, "{}"), at: "*")
            receiver.set(.content(200, Self.groups([7])), at: "/groups")
            let group = "/groups/\(Self.ids[0])"
            receiver.set(
                .respond { $0.method == "POST" ? (200, #"[{"id":"\#(Self.profile)","name":"P"}]"#) : (200, "{}") },
                at: "\(group)/profiles")
            receiver.set(.respond { $0.method == "POST" ? webhook : (200, "{}") }, at: "\(group)/webhooks")
            receiver.set(.content(removal.0, removal.1), at: "/profiles/\(Self.profile)")
            let state = try Files.makeTemporaryFolder() + "/state.json"
            let failed = try await Self.apply(
                "groups: [{name: G1, profiles: [{name: P}], webhooks: [{name: W, url: 'http://127.0.0.1:9/'}]}]",
                to: receiver, "--state", state)
            #expect(failed.end == "exited(1)", "\(failed)")
            let changes = Self.changes(receiver)
            await receiver.stop()
            return (failed.output, changes, Files.read(state) ?? "")
        }

        @Test("does not make twice what may have been made, says so, and keeps that it has made nothing else")
        func lostAnswer() async throws {
            let failed = try await Self.making(webhook: (502, "<html>"), removal: (204, ""))
            let group = "/groups/\(Self.ids[0])"
            #expect(
                failed.told.contains("it is not known whether this was done: POST \(group)/webhooks"), "\(failed)")
            #expect(
                failed.changes.map { $0.prefix { $0 != "[" } } == [
                    "POST \(group)/profiles ", "POST \(group)/webhooks ", "DELETE /profiles/\(Self.profile) ",
                ])
            #expect(failed.state.contains("owned") && !failed.state.contains(Self.profile))
        }

        @Test("keeps what it made and could not take back as its own")
        func leftBehind() async throws {
            let failed = try await Self.making(
                webhook: (409, #"{"error":"no"}"#), removal: (409, #"{"error":"in use"}"#))
            #expect(failed.told.contains("in use") && failed.state.contains(Self.profile), "\(failed)")
        }

        @Test("changes nothing of a group that others have changed since it was shown")
        func changedMeanwhile() async throws {
            let receiver = try await Receiver.start()
            receiver.set(.content(200, "{}"), at: "*")
            let isChanged = Mutex(false)
            receiver.set(
                .respond { _ in (200, Self.groups(isChanged.withLock { $0 } ? [9, 8] : [7, 7])) }, at: "/groups")
            receiver.set(
                .respond { _ in
                    isChanged.withLock { $0 = true }
                    return (200, "{}")
                }, at: "/groups/\(Self.ids[0])")
            let failed = try await Self.apply(
                "groups: [{name: G1, new_things_per_hour: 9}, {name: G2, new_things_per_hour: 9}]", to: receiver)
            #expect(failed.end == "exited(1)", "\(failed)")
            #expect(failed.output.contains("group G2: somebody has changed it since this was shown"), "\(failed)")
            #expect(Self.changes(receiver).count == 1)
            await receiver.stop()
        }
    }
}
