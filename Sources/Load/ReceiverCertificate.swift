internal import LocalServices
internal import NIOSSL

/// What receivers that speak TLS show, signed by itself and made with `openssl`.
struct ReceiverCertificate {
    private let certificate: String
    private let key: String

    static func make(in folder: String) async throws -> ReceiverCertificate {
        let made = ReceiverCertificate(certificate: "\(folder)/receiver.pem", key: "\(folder)/receiver.key")
        try await ChildProcess.complete(
            "openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", made.key, "-out",
                made.certificate,
            ])
        return made
    }

    /// For the service that is measured, so that it trusts them.
    var settings: [String: String] { ["DELIVERY_TLS_CA_FILE": self.certificate] }

    func context() throws -> NIOSSLContext {
        try NIOSSLContext(
            configuration: .makeServerConfiguration(
                certificateChain: try NIOSSLCertificate.fromPEMFile(self.certificate).map { .certificate($0) },
                privateKey: .privateKey(try NIOSSLPrivateKey(file: self.key, format: .pem))))
    }
}
