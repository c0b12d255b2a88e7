import LocalServices
import NIOSSL

/// Certificates made with `openssl`, as PEM files.
enum Certificates {
    static func authority(in folder: String) async throws -> String {
        try await ChildProcess.complete(
            "openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                "/CN=Test CA", "-keyout", "\(folder)/ca.key", "-out", "\(folder)/ca.pem",
            ])
        return "\(folder)/ca.pem"
    }

    /// - Parameters:
    ///   - days: negative for one that has expired.
    ///   - usage: what it may be used for alone; nil does not say.
    static func issue(
        for name: String, days: Int, usage: String? = nil, in folder: String
    ) async throws -> (String, String) {
        let base = "\(folder)/\(name)\(days)\(usage ?? "")"
        let more = usage.map { ["-addext", "extendedKeyUsage=\($0)"] } ?? []
        try await ChildProcess.complete(
            "openssl",
            [
                "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=\(name)",
                "-addext", "subjectAltName=DNS:\(name)", "-keyout", "\(base).key", "-out", "\(base).csr",
            ] + more)
        try await ChildProcess.complete(
            "openssl",
            [
                "x509", "-req", "-in", "\(base).csr", "-CA", "\(folder)/ca.pem", "-CAkey", "\(folder)/ca.key",
                "-CAcreateserial", "-copy_extensions", "copy", "-days", "\(days)", "-out", "\(base).pem",
            ])
        return ("\(base).pem", "\(base).key")
    }

    /// One that nobody else has signed.
    static func selfSigned(for name: String, in folder: String) async throws -> (String, String) {
        let base = "\(folder)/self"
        try await ChildProcess.complete(
            "openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                "/CN=\(name)", "-addext", "subjectAltName=DNS:\(name)", "-keyout", "\(base).key", "-out", "\(base).pem",
            ])
        return ("\(base).pem", "\(base).key")
    }

    /// One of an authority in between, which the other has signed, or one that is valid some day.
    static func issue(
        for name: String, from start: String = "", through intermediate: Bool, in folder: String
    ) async throws -> (String, String) {
        let base = "\(folder)/\(intermediate ? "through" : "later")"
        try Files.write(
            """
            [ca]
            default_ca = d
            [d]
            database = \(base).index
            new_certs_dir = \(folder)
            rand_serial = yes
            default_md = sha256
            default_days = 2
            policy = p
            copy_extensions = copy
            [p]
            commonName = supplied
            """, to: "\(base).cnf")
        try Files.write("", to: "\(base).index")
        func sign(_ file: String, by authority: String, _ more: [String]) async throws {
            try await ChildProcess.complete(
                "openssl",
                [
                    "ca", "-batch", "-config", "\(base).cnf", "-cert", "\(authority).pem", "-keyfile",
                    "\(authority).key",
                    "-in", "\(file).csr", "-out", "\(file).pem", "-notext",
                ] + more)
        }
        func request(_ file: String, _ name: String, _ more: String) async throws {
            try await ChildProcess.complete(
                "openssl",
                [
                    "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=\(name)",
                    "-addext", more, "-keyout", "\(file).key", "-out", "\(file).csr",
                ])
        }
        var authority = "\(folder)/ca"
        if intermediate {
            authority = "\(base).between"
            try await request(authority, "Test CA in between", "basicConstraints=critical,CA:TRUE")
            try await sign(authority, by: "\(folder)/ca", [])
        }
        try await request(base, name, "subjectAltName=DNS:\(name)")
        try await sign(base, by: authority, start.isEmpty ? [] : ["-startdate", start, "-enddate", "20980101000000Z"])
        return ("\(base).pem", "\(base).key")
    }

    /// - Parameter clients: the authority of the certificates that clients need; nil wants none of them.
    static func serverContext(
        _ certificate: String, _ key: String, clients: String? = nil, from oldest: TLSVersion = .tlsv12,
        to newest: TLSVersion? = nil
    ) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(file: key, format: .pem)))
        configuration.minimumTLSVersion = oldest
        configuration.maximumTLSVersion = newest
        if let clients {
            configuration.certificateVerification = .noHostnameVerification
            configuration.trustRoots = .file(clients)
        }
        return try NIOSSLContext(configuration: configuration)
    }
}
