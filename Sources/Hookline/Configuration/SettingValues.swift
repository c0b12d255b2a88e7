internal import Domain
internal import NIOCore
internal import NIOSSL
internal import Values
internal import WebhookClient

/// Settings that have a form of their own.
extension SettingsReader {
    func timeAmount(_ key: String, default fallback: Duration) throws -> TimeAmount {
        .milliseconds(
            try self.duration(key, from: .milliseconds(100), upTo: .seconds(86_400), default: fallback).milliseconds)
    }

    /// Requests per second, with a burst if it has one; nil for no limit.
    func rate(_ key: String, default fallback: RateLimit?) throws -> RateLimit? {
        guard let text = try self.string(key) else { return fallback }
        if text == "0" { return nil }
        let parts = text.split(separator: "/", maxSplits: 1).map(\.trimmingSpaces)
        guard let rate = parts.first.flatMap(Double.init), rate >= 0.001, rate <= 1_000_000,
            parts.count == 1 || Int(parts[1]).map((1...1_000_000).contains) == true
        else {
            throw self.invalid(
                key, "must be requests per second, such as 100, or 100/500 with a burst, or 0 for no limit")
        }
        return RateLimit(perSecond: rate, burst: parts.count == 2 ? Int(parts[1]) : nil)
    }

    /// Blocks of addresses, parted by commas.
    func networks(_ key: String) throws -> [Network] {
        let texts = try self.string(key)?.split(separator: ",").map(\.trimmingSpaces) ?? []
        return try texts.map { text in
            guard let network = Network(text) else {
                throw self.invalid(key, "\"\(text)\" is no CIDR such as 10.0.0.0/8")
            }
            return network
        }
    }

    /// Those of the PEM file that the setting names; none if it is not set.
    func certificates(_ key: String) throws -> [NIOSSLCertificate] {
        guard let (path, bytes) = try self.file(key) else { return [] }
        // Of a file without any it says nothing.
        let found: [NIOSSLCertificate]
        do { found = try NIOSSLCertificate.fromPEMBytes(bytes) } catch { found = [] }
        guard !found.isEmpty else { throw self.invalid(key, "\(path) holds no PEM certificates that can be read") }
        return found
    }
}
