import Glibc
import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("Names of hosts", .enabled(if: getuid() == 0, "mounting and port 53 need root"))
    struct NameTests {
        @Test("are found as everything else on the machine finds them")
        func found() async throws {
            let names = try await NameServer.start(
                on: "127.9.9.53",
                knowing: ["ingest.prod.cluster.test": [[127, 0, 0, 1]], "alone.test": [[127, 0, 0, 1]]])
            let binary = try HooklineProcess.binary(seeing: [
                "/etc/hosts": "127.0.0.1 localhost\n127.0.0.1 host.docker.internal receiver.lan plain with_line.lan\n",
                "/etc/resolv.conf": "nameserver 127.9.9.53\nsearch cluster.test\noptions ndots:5 timeout:1\n",
            ])
            let receiver = try await Receiver.start()
            let hosts = [
                "localhost", "below.localhost", "receiver.lan", "Host.Docker.Internal", "plain", "with_line.lan",
                "ingest.prod", "ingest.prod.cluster.test", "alone.test", "alone.test.",
            ]
            try await Installation.with(binary) { installation, _ in
                for (number, host) in hosts.enumerated() {
                    _ = try await installation.webhook(host, "http://\(host):\(receiver.port)/\(number)")
                }
                try await installation.publish("1")
                for (number, host) in hosts.enumerated() {
                    try await waitUntil("a request to \(host)") { !receiver.requests(at: "/\(number)").isEmpty }
                }
            }
            await receiver.stop()
            try await names.stop()
        }

        @Test("lead nowhere that is not allowed, wherever they were found and whichever of their addresses it is")
        func guarded() async throws {
            let receiver = try await Receiver.start()
            let names = try await NameServer.start(
                on: "127.9.9.54", knowing: ["both.cluster.test": [[127, 0, 0, 1], [10, 1, 2, 3]]])
            let binary = try HooklineProcess.binary(seeing: [
                "/etc/hosts": "127.0.0.1 localhost\n10.1.2.3 inside.lan\n127.0.0.1 two.lan\n10.1.2.3 two.lan\n",
                "/etc/resolv.conf": "nameserver 127.9.9.54\nsearch cluster.test\noptions timeout:1\n",
            ])
            try await Installation.with(binary) { installation, _ in
                var webhooks: [String] = []
                for host in ["inside.lan", "two.lan", "both"] {
                    webhooks.append(
                        try await installation.webhook(host, "http://\(host):\(receiver.port)/\(host)"))
                }
                try await installation.publish("1")
                for webhook in webhooks {
                    try await waitUntil("it to be refused") {
                        try await installation.api.call("GET", "/webhooks/\(webhook)/log").body.contains("10.1.2.3")
                    }
                }
                #expect(receiver.requests.isEmpty)
            }
            await receiver.stop()
            try await names.stop()
        }
    }
}
