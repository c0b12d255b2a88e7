internal import LocalServices

/// Speaks TLS on loopback for a server that does not.
package struct TLSFront: Sendable {
    package let port: Int
    /// The file with whom to believe that it is 127.0.0.1.
    package let authority: String
    private let process: ChildProcess

    package static func start(to target: Int) async throws -> TLSFront {
        let folder = try Files.makeTemporaryFolder()
        try await ChildProcess.complete(
            "openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "\(folder)/key.pem", "-out",
                "\(folder)/certificate.pem",
            ])
        try Files.write(Self.script, to: "\(folder)/front.py")
        let port = try freePort()
        let process = try await ChildProcess.start(
            "python3", ["\(folder)/front.py", "\(port)", "\(target)", folder], logFile: "\(folder)/log")
        try await waitUntil("the front (see \(folder)/log)", within: .seconds(60)) { Files.exists("\(folder)/ready") }
        return TLSFront(port: port, authority: "\(folder)/certificate.pem", process: process)
    }

    package func stop() async {
        await self.process.stop()
    }

    private static let script = """
        import asyncio, ssl, sys

        port, target, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]


        async def carry(source, to):
            try:
                while data := await source.read(65536):
                    to.write(data)
                    await to.drain()
            except OSError:
                pass
            to.close()


        async def serve(reader, writer):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
            await asyncio.gather(carry(reader, far_writer), carry(far_reader, writer))


        async def main():
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(folder + "/certificate.pem", folder + "/key.pem")
            await asyncio.start_server(serve, "127.0.0.1", port, ssl=context)
            open(folder + "/ready", "w").close()
            await asyncio.Event().wait()


        asyncio.run(main())
        """
}
