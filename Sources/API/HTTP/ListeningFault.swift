internal import NIOCore
internal import ServiceLifecycle

/// A port that could not be listened on.
package struct ListeningFault: Error, Sendable {
    package let host: String
    package let port: Int
    /// Whether it is the metrics' own.
    package let isOfMetrics: Bool
    /// As `errno` has it.
    package let code: Int32
}

/// What listens on a port, and says which one it was if that could not be had.
struct ListeningService: Service {
    private let base: any Service
    private let host: String
    private let port: Int
    private let isOfMetrics: Bool

    init(_ base: any Service, host: String, port: Int, isOfMetrics: Bool = false) {
        self.base = base
        self.host = host
        self.port = port
        self.isOfMetrics = isOfMetrics
    }

    func run() async throws {
        do {
            try await self.base.run()
        } catch let error as IOError {
            throw ListeningFault(host: self.host, port: self.port, isOfMetrics: self.isOfMetrics, code: error.errnoCode)
        }
    }
}
