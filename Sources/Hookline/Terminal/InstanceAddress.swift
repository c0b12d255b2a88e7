internal import ArgumentParser
internal import NIOCore
internal import NIOPosix

#if canImport(Glibc)
internal import Glibc
#endif

/// Where an instance answers HTTP.
struct InstanceAddress: Sendable, CustomStringConvertible, ExpressibleByArgument {
    let host: String
    let port: Int

    /// The one on this machine, as its settings say.
    ///
    /// - Parameter answersMetrics: the port that metrics have, which may be one of their own.
    init(_ reader: SettingsReader, answersMetrics: Bool = false) throws {
        let host = try reader.string("http.host") ?? "127.0.0.1"
        self.host = ["0.0.0.0", "::", "*"].contains(host) ? "127.0.0.1" : host
        let port = try reader.integer("http.port", in: 1...65_535, default: 9_021)
        self.port = answersMetrics ? try reader.integer("metrics.port", in: 1...65_535, default: port) : port
    }

    /// `host:port`.
    init?(argument: String) {
        guard let colon = argument.lastIndex(of: ":"), let port = Int(argument[argument.index(after: colon)...]),
            (1...65_535).contains(port), colon > argument.startIndex
        else { return nil }
        self.host = String(argument[..<colon])
        self.port = port
    }

    var description: String { "\(self.host):\(self.port)" }

    private static let largestAnswer = 16 * 1_024 * 1_024

    /// Why nobody was reached, in words.
    struct Unreached: Error, CustomStringConvertible {
        let description: String

        init(_ error: NIOConnectionError) {
            guard let failure = error.connectionErrors.first?.error else {
                self.description = "there is no host of this name"
                return
            }
            self.description =
                switch (failure as? IOError)?.errnoCode {
                case ECONNREFUSED?: "nothing listens there"
                case EHOSTUNREACH?, ENETUNREACH?: "there is no route to it from here"
                default: "it cannot be connected to"
                }
        }
    }

    /// One request, over a connection that ends with it.
    ///
    /// - Throws: ``Unreached``; or what broke the connection.
    func get(_ path: String) async throws -> (status: Int, body: Substring) {
        let channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>
        do {
            channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .connectTimeout(.seconds(3))
                .connect(host: self.host, port: self.port) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                    }
                }
        } catch let error as NIOConnectionError {
            throw Unreached(error)
        }
        var text = try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(
                ByteBuffer(string: "GET \(path) HTTP/1.1\r\nhost: \(self.host)\r\nconnection: close\r\n\r\n"))
            var all = ByteBuffer()
            for try await part in inbound where all.readableBytes < Self.largestAnswer {
                all.writeImmutableBuffer(part)
            }
            return String(buffer: all)
        }[...]
        let status = text.split(separator: " ", maxSplits: 2).dropFirst().first.flatMap { Int($0) } ?? 0
        if let end = text.firstRange(of: "\r\n\r\n") { text = text[end.upperBound...] }
        return (status, text)
    }
}
