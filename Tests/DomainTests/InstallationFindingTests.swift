import Domain
import Testing
import Values

@Suite("What is found of an installation")
struct InstallationFindingTests {
    typealias Weight = InstallationFinding.Weight

    private static func database(_ change: (inout DatabaseReading) -> Void = { _ in }) -> DatabaseReading {
        var reading = DatabaseReading(
            version: 150_004, mostConnections: 100, reservedConnections: 3, othersConnections: 5,
            neededConnections: 15, clockLead: 2_000, clockUncertainty: 500)
        change(&reading)
        return reading
    }

    private struct Case: Sendable {
        let subject: String
        let weight: Weight
        let words: String
        let change: @Sendable (inout DatabaseReading) -> Void

        init(
            _ subject: String, _ weight: Weight, _ words: String,
            _ change: @escaping @Sendable (inout DatabaseReading) -> Void
        ) {
            (self.subject, self.weight, self.words, self.change) = (subject, weight, words, change)
        }
    }

    private static let cases = [
        Case("database", .ok, "PostgreSQL 14.0") { $0.version = 140_000 },
        Case("database", .fail, "PostgreSQL 13.9 is too old") { $0.version = 130_009 },
        Case("database", .warn, "newer than") { $0.version = 180_001 },
        Case("database", .fail, "standby") { $0.isStandby = true },
        Case("database", .fail, "read-only") { $0.isReadOnly = true },
        Case("database", .fail, "its encoding is LATIN1") { $0.encoding = "LATIN1" },
        Case("database", .warn, "SQL_ASCII") { $0.encoding = "SQL_ASCII" },
        Case("encryption", .ok, "none, on one machine") { $0.encryption = .init(version: nil, isLocal: true) },
        Case("encryption", .ok, "POSTGRES_URL: TLSv1.3") { $0.encryption = .init(version: "TLSv1.3", isLocal: false) },
        Case("encryption", .warn, "POSTGRES_URL: none, and") { $0.encryption = .init(version: nil, isLocal: false) },
        Case("rights", .fail, "make no tables") { $0.mayCreate = false },
        Case("rights", .fail, "another role's: groups, things") { $0.othersTables = ["groups", "things"] },
        Case("pooler", .fail, "by transactions") { $0.sharesBackend = true },
        Case("commits", .warn, "that a crash of the database takes") { $0.synchronousCommit = "off" },
        Case("commits", .warn, "that no standby has") { $0.synchronousCommit = "local" },
        Case("commits", .ok, "remote_apply") { $0.synchronousCommit = "remote_apply" },
        // 97 are for everybody.
        Case("connections", .ok, "15 of 97, others have 82") { $0.othersConnections = 82 },
        Case("connections", .warn, "others have 83") { $0.othersConnections = 83 },
        Case("connections", .ok, "up to 92") { $0.neededConnections = 92 },
        Case("connections", .fail, "up to 98") { $0.neededConnections = 98 },
        Case("connections", .ok, "15 of 97") { ($0.ownLimit, $0.ownLimitSetting) = (15, "CONNECTION LIMIT") },
        Case("connections", .fail, "15, and CONNECTION LIMIT is 14") {
            ($0.ownLimit, $0.ownLimitSetting) = (14, "CONNECTION LIMIT")
        },
        Case("connections", .fail, "up to 98 of 97") { ($0.neededConnections, $0.ownLimit) = (98, 97) },
        Case("clock", .ok, "5000 ms ahead") { $0.clockLead = 5_000_500 },
        Case("clock", .warn, "5000 ms behind") { $0.clockLead = -5_000_600 },
        Case("clock", .warn, "60000 ms") { $0.clockLead = 60_000_500 },
        Case("clock", .fail, "more than a minute") { $0.clockLead = -60_000_501 },
        // What the way there takes is nobody's fault.
        Case("clock", .ok, "0 ms") { ($0.clockLead, $0.clockUncertainty) = (90_000_000, 95_000_000) },
        Case("clock", .fail, "more than a minute") { $0.clockLead = .min },
    ]

    @Test("names what is wrong with a database, and nothing else", arguments: cases.indices)
    func database(_ index: Int) throws {
        let given = Self.cases[index]
        let found = Self.database(given.change).findings
        let finding = try #require(
            found.last { $0.subject == given.subject && $0.text.contains(given.words) }, "\(found)")
        #expect(finding.weight == given.weight)
        // What is not well has a hint, and what is well has none.
        #expect(found.allSatisfy { ($0.hint == nil) == ($0.weight == .ok) })
        #expect(found.filter { $0 != finding }.allSatisfy { $0.weight == .ok }, "\(found)")
    }

    @Test("says nothing of a database that is well but what it is")
    func good() {
        #expect(Self.database().findings.allSatisfy { $0.weight == .ok })
        #expect(
            Set(Self.database().findings.map(\.subject)) == [
                "database", "encryption", "rights", "commits", "connections", "clock",
            ])
        let unknown = Self.database { $0.neededConnections = nil }
        #expect(!unknown.findings.contains { $0.subject == "connections" })
    }

    @Test(
        "says how far the schema is",
        arguments: [
            (SchemaReading.known(pending: [], hasTables: true), Weight.ok, true, "current"),
            (.known(pending: ["alarms", "topics"], hasTables: true), .warn, false, "by 2: alarms, topics"),
            (.known(pending: ["initial"], hasTables: false), .warn, false, "there is none yet"),
            (.strange("the database is newer"), .fail, false, "the database is newer"),
        ])
    func schema(_ reading: SchemaReading, _ weight: Weight, _ isCurrent: Bool, _ words: String) {
        #expect(reading.finding.weight == weight && reading.isCurrent == isCurrent)
        #expect(reading.finding.text.contains(words))
    }

    @Test("tells what waits, and what keeps the room of what is gone")
    func queue() {
        func findings(oldest: Int64?, transaction: Int64?) -> [String: InstallationFinding] {
            let reading = QueueReading(
                waiting: 9_999, messages: 12_000_000, log: 0, oldest: oldest, longestTransaction: transaction)
            return Dictionary(reading.findings.map { ($0.subject, $0) }) { first, _ in first }
        }
        #expect(findings(oldest: nil, transaction: nil).values.allSatisfy { $0.weight == .ok })
        #expect(
            findings(oldest: nil, transaction: nil)["disk"]?.text
                == "what waits has 9999 B, kept messages 12 MB, the log 0 B")
        #expect(findings(oldest: 3_600, transaction: 900).values.allSatisfy { $0.weight == .ok })
        #expect(findings(oldest: 7_200, transaction: nil)["backlog"]?.weight == .warn)
        #expect(findings(oldest: 7_200, transaction: nil)["backlog"]?.text.contains("2 h") == true)
        #expect(findings(oldest: nil, transaction: 901)["vacuum"]?.weight == .warn)
    }

    @Test("weighs what the machine gives against what the settings make of it")
    func host() throws {
        let now = try #require(Instant(seconds: 1_800_000_000))
        func weights(_ change: (inout HostReading) -> Void) -> [String: Weight] {
            var reading = HostReading(
                descriptors: 4_096, reserved: 256, apiConnections: 768, receiverConnections: 2_922,
                webhookConnections: 256, memory: nil, now: now)
            change(&reading)
            return Dictionary(reading.findings.map { ($0.subject, $0.weight) }) { first, _ in first }
        }
        #expect(weights { _ in } == ["descriptors": .ok, "memory": .ok])
        #expect(weights { $0.receiverConnections = 3_073 }["descriptors"] == .fail)
        #expect(weights { $0.receiverConnections = 511 }["descriptors"] == .warn)
        #expect(weights { $0.memory = 127_999_999 }["memory"] == .warn)
        #expect(weights { $0.memory = 128_000_000 }["memory"] == .ok)
        #expect(weights { $0.now = Instant(clampingSeconds: 0) }["clock"] == .fail)
    }

    @Test("reads the limit of memory of either version of control groups, the least of all above")
    func controlGroups() {
        func memory(_ files: [String: String]) -> Int64? { ControlGroup.memory { files[$0] } }
        let second = ["/proc/self/cgroup": "0::/a/b\n"]
        #expect(memory([:]) == nil)
        #expect(memory(second) == nil)
        #expect(memory(second.merging(["/sys/fs/cgroup/a/b/memory.max": "max\n"]) { $1 }) == nil)
        let nested = ["/sys/fs/cgroup/a/b/memory.max": "max\n", "/sys/fs/cgroup/a/memory.max": "1000\n"]
        #expect(memory(second.merging(nested) { $1 }) == 1_000)
        #expect(memory(second.merging(["/sys/fs/cgroup/memory.max": "500\n"]) { $1 }) == 500)
        #expect(memory(["/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "7\n"]) == 7)
        let first = ["/proc/self/cgroup": "3:cpu,cpuacct:/x\n2:memory:/x\n"]
        let file = "/sys/fs/cgroup/memory/x/memory.limit_in_bytes"
        #expect(memory(first.merging([file: "9223372036854771712\n"]) { $1 }) == nil)
        #expect(memory(first.merging([file: "2048\n"]) { $1 }) == 2_048)
    }

    @Test("of certificates says when they end, and which do not count any more")
    func certificates() throws {
        // Good from 2026-11-26 to 2126-11-02.
        let good = try Certificate.list(CertificateFixtures.authority, most: 1, field: "f").certificates
        func weight(_ time: Instant, needsAll: Bool = true) -> Weight {
            CertificateReading("FILE", good, needsAll: needsAll).finding(at: time).weight
        }
        let (start, end) = (try #require(good.first).validFrom, try #require(good.first).validUntil)
        #expect(weight(start - .seconds(1)) == .fail && weight(start) == .ok)
        #expect(weight(end - .seconds(30 * 86_400)) == .ok && weight(end - .seconds(30 * 86_400 - 1)) == .warn)
        #expect(weight(end) == .warn && weight(end + .seconds(1)) == .fail)
        #expect(weight(end + .seconds(1), needsAll: false) == .fail)
        #expect(CertificateReading("FILE", [], needsAll: false).finding(at: start).weight == .fail)
    }

    @Test(
        "of what a server shows tells whether it leads to an authority, and whether it is for that name",
        arguments: [
            ("broker.example.com", ["broker.example.com"], true), ("Broker.example.com", ["broker.EXAMPLE.com"], true),
            ("a.example.com", ["*.example.com"], true), ("a.b.example.com", ["*.example.com"], false),
            ("example.com", ["*.example.com"], false), ("127.0.0.1", ["127.0.0.1"], true),
            ("::1", ["0:0:0:0:0:0:0:1"], true), ("127.0.0.2", ["127.0.0.1"], false),
            ("127.0.0.1", ["localhost"], false), ("anything", [], true),
        ])
    func shown(_ host: String, _ names: [String], _ isMeant: Bool) throws {
        let authority = try Certificate.list(CertificateFixtures.authority, most: 1, field: "f").certificates
        let own = try Certificate.list(CertificateFixtures.p256, most: 1, field: "f").certificates
        let now = try #require(own.first).validFrom + .seconds(60)
        func fails(_ authorities: [Certificate]) -> Int {
            ShownChain("the broker", host: host, chain: own, names: names, authorities: authorities)
                .findings(at: now).count { $0.weight == .fail }
        }
        #expect(fails(authority) == (isMeant ? 0 : 1))
        #expect(fails(own) == (isMeant ? 0 : 1), "what is trusted itself needs no authority")
        #expect(fails([]) == (isMeant ? 1 : 2))
        #expect(ShownChain("it", host: host, chain: [], names: [], authorities: []).findings(at: now).count == 1)
    }

    @Test("is written for people and for programs, and nothing of others' reaches a terminal but text")
    func report() {
        let report = InstallationReport([
            InstallationFinding(.ok, "schema", "current"),
            InstallationFinding(.warn, "database", "says \u{1B}[2J\"x\"", hint: "look"),
        ])
        #expect(report.weight == .warn)
        #expect(
            report.table == """
                OK    schema    current
                WARN  database  says  [2J"x"
                                -> look
                """)
        #expect(
            report.json
                == #"{"result":"warn","findings":[{"check":"schema","result":"ok","text":"current"},"#
                + #"{"check":"database","result":"warn","text":"says  [2J\"x\"","hint":"look"}]}"#)
        #expect(InstallationReport([]).weight == .ok)
        #expect(InstallationReport([.init(.fail, "a", "b"), .init(.warn, "a", "b")]).weight == .fail)
    }
}
