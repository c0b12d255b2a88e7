import Glibc
import LocalServices
import MQTT
import TestSupport
import Testing
import Values

@Suite("An MQTT session")
struct SessionTests {
    private func withBroker(
        anonymous: Bool = true, extra: [String] = [], _ body: (LocalMosquitto) async throws -> Void
    ) async throws {
        try await LocalMosquitto.with(anonymous: anonymous, extra: extra) { mosquitto, _ in try await body(mosquitto) }
    }

    private func configuration(_ mosquitto: LocalMosquitto, id: String = "test") -> Session.Configuration {
        Session.Configuration(
            host: "127.0.0.1", port: mosquitto.port, clientID: id, topicFilters: ["things/+/messages/#"])
    }

    private func publish(_ mosquitto: LocalMosquitto, _ payloads: ClosedRange<Int>, more: [String] = []) async throws {
        try await ChildProcess.complete(
            "sh",
            [
                "-c",
                "seq \(payloads.lowerBound) \(payloads.upperBound) | mosquitto_pub -h 127.0.0.1 -p \(mosquitto.port) -q 1 -l -t things/x/messages \(more.joined(separator: " "))",
            ])
    }

    /// As `date +%s%N` says it.
    private var nanosecondsNow: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    private func receive(_ session: Session, atLeast count: Int) async throws -> [String] {
        var received: [String] = []
        try await waitUntil("\(count) messages") {
            received += try await session.acknowledgeAndReceive(upTo: 1_000, bytes: .max, within: .milliseconds(200))
                .messages.map { String(decoding: $0.payload, as: UTF8.self) }
            return received.count >= count
        }
        return received
    }

    @Test("gives messages in batches of any size up to the limit, in order")
    func batches() async throws {
        try await self.withBroker { mosquitto in
            let session = try Session(self.configuration(mosquitto), logger: silentLogger)
            try await session.connect()
            try await self.publish(mosquitto, 1...500)
            var received: [String] = []
            while received.count < 500 {
                let batch = try await session.acknowledgeAndReceive(upTo: 64, bytes: .max, within: .seconds(5))
                #expect(batch.messages.count <= 64)
                #expect(batch.payloadBytes == batch.messages.reduce(0) { $0 + $1.payload.count })
                try #require(!batch.messages.isEmpty)
                received += batch.messages.map { String(decoding: $0.payload, as: UTF8.self) }
            }
            #expect(received == (1...500).map(String.init))
            await session.disconnect(acknowledging: true)
        }
    }

    // A broker with Nagle's algorithm on has one message under way, and sends the next once it is acknowledged: by the kernel
    // after 40 ms, or with what is written to the broker, which is nothing while more is waited for.
    @Test("gets what comes while it waits for more, from a broker that gathers what it sends")
    func linger() async throws {
        try await self.withBroker { mosquitto in
            let session = try Session(self.configuration(mosquitto), logger: silentLogger)
            try await session.connect()
            async let published = ChildProcess.complete(
                "sh",
                [
                    "-c",
                    "for i in $(seq 300); do date +%s%N; sleep 0.003; done | mosquitto_pub -h 127.0.0.1 -p \(mosquitto.port) -q 1 -l -t things/x/messages",
                ])
            let linger = Duration.milliseconds(30)
            var (received, batches, later) = (0, 0, 0)
            while received < 300 {
                let batch = try await session.acknowledgeAndReceive(
                    upTo: 1_000, bytes: .max, within: .seconds(10), linger: linger)
                let last = try #require(batch.messages.last)
                received += batch.messages.count
                batches += 1
                let sent = try #require(Int64(String(decoding: last.payload, as: UTF8.self)))
                // What was published after the wait began came in it.
                if .nanoseconds(self.nanosecondsNow - sent) < linger { later += 1 }
            }
            _ = try await published
            // Nearly all, if nobody keeps this test from looking in time; hardly any, if the broker has to wait.
            #expect(later * 5 > batches, "\(later) of \(batches)")
            await session.disconnect(acknowledging: true)
        }
    }

    @Test("waits longer for the next message where none has come in the pause, until it comes or the time is over")
    func longer() async throws {
        try await self.withBroker { mosquitto in
            let session = try Session(self.configuration(mosquitto), logger: silentLogger)
            try await session.connect()
            async let published = ChildProcess.complete(
                "sh",
                [
                    "-c",
                    "for i in 1 2; do echo $i; sleep 0.3; done | mosquitto_pub -h 127.0.0.1 -p \(mosquitto.port) -q 1 -l -t things/x/messages",
                ])
            let both = try await session.acknowledgeAndReceive(
                upTo: 1_000, bytes: .max, within: .seconds(10), linger: .milliseconds(1), longer: .seconds(60))
            #expect(both.messages.map { String(decoding: $0.payload, as: UTF8.self) } == ["1", "2"])
            _ = try await published
            try await self.publish(mosquitto, 3...3)
            let alone = try await session.acknowledgeAndReceive(
                upTo: 1_000, bytes: .max, within: .seconds(10), linger: .milliseconds(1), longer: .milliseconds(10))
            #expect(alone.messages.map { String(decoding: $0.payload, as: UTF8.self) } == ["3"])
            await session.disconnect(acknowledging: true)
        }
    }

    @Test("gets what it never acknowledged again, and nothing that it did")
    func redelivery() async throws {
        try await self.withBroker { mosquitto in
            let session = try Session(self.configuration(mosquitto), logger: silentLogger)
            try await session.connect()
            try await self.publish(mosquitto, 1...10)
            #expect(try await self.receive(session, atLeast: 10).count == 10)
            // The call above returned the last of them: they are not acknowledged yet.
            await session.disconnect(acknowledging: false)
            try await session.connect()
            var again: [String] = []
            while again.last != "10" { again += try await self.receive(session, atLeast: 1) }
            _ = try await session.acknowledgeAndReceive(upTo: 10, bytes: .max, within: .milliseconds(100))
            await session.disconnect(acknowledging: true)
            try await session.connect()
            try await self.publish(mosquitto, 11...11)
            #expect(try await self.receive(session, atLeast: 1) == ["11"])
        }
    }

    @Test("goes on after the broker was restarted, with what came in between")
    func restart() async throws {
        let mosquitto = try LocalMosquitto.prepare(in: Files.makeTemporaryFolder(), port: freePort())
        var process = try await mosquitto.start()
        let session = try Session(self.configuration(mosquitto), logger: silentLogger)
        try await session.connect()
        await session.disconnect(acknowledging: true)
        try await self.publish(mosquitto, 1...5)
        await process.stop()
        await #expect(throws: MQTTError.self) { try await session.connect() }
        process = try await mosquitto.start()
        try await session.connect()
        #expect(try await self.receive(session, atLeast: 5) == ["1", "2", "3", "4", "5"])
        await process.stop()
        await #expect(throws: MQTTError.self) {
            _ = try await session.acknowledgeAndReceive(upTo: 1, bytes: 1, within: .seconds(5))
        }
    }

    @Test("hands over the trace context, the exact bytes and an empty payload")
    func content() async throws {
        try await self.withBroker { mosquitto in
            let session = try Session(self.configuration(mosquitto), logger: silentLogger)
            try await session.connect()
            let common = ["-h", "127.0.0.1", "-p", "\(mosquitto.port)", "-q", "1", "-t", "things/x/messages/sub"]
            try await ChildProcess.complete(
                "mosquitto_pub",
                common + ["-V", "5", "-m", "traced", "-D", "publish", "user-property", "traceparent", "00-abc"])
            try await ChildProcess.complete("mosquitto_pub", common + ["-n"])
            var messages: [ReceivedMessage] = []
            try await waitUntil("two messages") {
                messages += try await session.acknowledgeAndReceive(upTo: 10, bytes: .max, within: .seconds(1)).messages
                return messages.count == 2
            }
            #expect(messages[0].topic == "things/x/messages/sub")
            #expect(messages[0].traceparent == "00-abc")
            #expect(messages[1].payload.isEmpty)
            #expect(messages[1].traceparent == nil)
        }
    }

    @Test("does not acknowledge at its end what it received and nobody took")
    func untaken() async throws {
        try await self.withBroker { mosquitto in
            let session = try Session(self.configuration(mosquitto), logger: silentLogger)
            try await session.connect()
            await session.disconnect(acknowledging: true)
            try await self.publish(mosquitto, 1...50)
            // They come right behind the broker's welcome.
            try await session.connect()
            await session.disconnect(acknowledging: true)
            try await session.connect()
            #expect(try await Set(self.receive(session, atLeast: 50)).count == 50)
        }
    }

    @Test("gets one message once after its filter was changed, when it leaves the former one")
    func formerFilter() async throws {
        try await self.withBroker { mosquitto in
            let before = try Session(self.configuration(mosquitto), logger: silentLogger)
            try await before.connect()
            await before.disconnect(acknowledging: true)
            var configuration = self.configuration(mosquitto)
            configuration.topicFilters = ["$share/group/things/+/messages/#"]
            let session = try Session(configuration, logger: silentLogger)
            try await session.connect(leaving: ["things/+/messages/#", "never/there"])
            #expect(await session.hasLeft)
            try await self.publish(mosquitto, 1...20)
            try await self.publish(mosquitto, 0...0)
            var received: [String] = []
            while !received.contains("0") { received += try await self.receive(session, atLeast: 1) }
            #expect(received.sorted() == (0...20).map(String.init).sorted())
        }
    }

    @Test("can be interrupted while it waits")
    func interrupt() async throws {
        try await self.withBroker { mosquitto in
            let session = try Session(self.configuration(mosquitto), logger: silentLogger)
            try await session.connect()
            async let batch = session.acknowledgeAndReceive(upTo: 1, bytes: 1, within: .seconds(600))
            session.interrupt()
            #expect(try await batch.messages.isEmpty)
        }
    }

    @Test("is told why it is not let in")
    func refused() async throws {
        let folder = try Files.makeTemporaryFolder()
        try await ChildProcess.complete("mosquitto_passwd", ["-b", "-c", "\(folder)/passwd", "user", "right"])
        try await self.withBroker(anonymous: false, extra: ["password_file \(folder)/passwd"]) { mosquitto in
            var configuration = self.configuration(mosquitto)
            configuration.username = "user"
            configuration.password = Secret("wrong")
            let stranger = try Session(configuration, logger: silentLogger)
            let error = await #expect(throws: MQTTError.self) { try await stranger.connect() }
            #expect(error?.kind == .refused)
            configuration.password = Secret("right")
            let friend = try Session(configuration, logger: silentLogger)
            try await friend.connect()
            await friend.disconnect(acknowledging: true)
        }
    }

    @Test("speaks TLS with a broker whose authority it was given, and with no other")
    func tls() async throws {
        let folder = try Files.makeTemporaryFolder()
        func openssl(_ arguments: String) async throws {
            try await ChildProcess.complete("sh", ["-c", "cd \(folder) && openssl \(arguments)"])
        }
        for authority in ["ca", "other"] {
            try await openssl(
                "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=\(authority) -keyout \(authority).key -out \(authority).pem"
            )
        }
        try await openssl("req -newkey rsa:2048 -nodes -subj /CN=127.0.0.1 -keyout broker.key -out broker.csr")
        try Files.write("subjectAltName=IP:127.0.0.1\n", to: "\(folder)/san")
        try await openssl(
            "x509 -req -in broker.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out broker.pem")
        let tls = ["cafile \(folder)/ca.pem", "certfile \(folder)/broker.pem", "keyfile \(folder)/broker.key"]
        try await self.withBroker(extra: tls) { mosquitto in
            var configuration = self.configuration(mosquitto)
            configuration.tlsCAFile = "\(folder)/ca.pem"
            let session = try Session(configuration, logger: silentLogger)
            try await session.connect()
            try await self.publish(mosquitto, 1...100, more: ["--cafile", "\(folder)/ca.pem"])
            #expect(try await self.receive(session, atLeast: 100).count == 100)
            configuration.tlsCAFile = "\(folder)/other.pem"
            let deceived = try Session(configuration, logger: silentLogger)
            await #expect(throws: MQTTError.self) { try await deceived.connect() }
        }
    }
}
