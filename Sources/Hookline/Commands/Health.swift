internal import ArgumentParser
internal import NIOCore
internal import NIOPosix

/// What a container's health check runs, so that the image needs no other program for it.
struct Health: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ask the instance on this machine whether it is ready; ends with 0 if it is, with 1 if not.",
        discussion: "It is asked at HTTP_PORT on 127.0.0.1, or at HTTP_HOST if that is one address of this machine.")

    @OptionGroup var settings: SettingsArguments

    func run() async throws {
        let reader = try await SettingsReader(arguments: self.settings.arguments)
        let port = try reader.integer("http.port", in: 1...65_535, default: 9_021)
        let host = try reader.string("http.host") ?? "127.0.0.1"
        let isAny = ["0.0.0.0", "::", "*"].contains(host)
        do {
            let answer = try await Self.ask(host: isAny ? "127.0.0.1" : host, port: port)
            print(answer.body)
            guard answer.status == 200 else { throw ExitCode(1) }
        } catch let code as ExitCode {
            throw code
        } catch {
            print("not reachable at port \(port): \(error)")
            throw ExitCode(1)
        }
    }

    /// One request, over a connection that ends with it.
    private static func ask(host: String, port: Int) async throws -> (status: Int, body: Substring) {
        let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .connectTimeout(.seconds(3))
            .connect(host: host, port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        var text = try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(
                ByteBuffer(string: "GET /ready HTTP/1.1\r\nhost: \(host)\r\nconnection: close\r\n\r\n"))
            var all = ByteBuffer()
            for try await part in inbound { all.writeImmutableBuffer(part) }
            return String(buffer: all)
        }[...]
        let status = text.split(separator: " ", maxSplits: 2).dropFirst().first.flatMap { Int($0) } ?? 0
        if let end = text.firstRange(of: "\r\n\r\n") { text = text[end.upperBound...] }
        return (status, text)
    }
}
