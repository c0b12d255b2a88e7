internal import MQTT
internal import NIOSSL

extension ServiceConfiguration {
    /// What the broker knows Hookline by, if it asks for a certificate. The files are looked at here, because libmosquitto says of
    /// all that can be wrong with them no more than that there is no connection, and would ask a terminal for a passphrase.
    static func certificate(_ settings: SettingsReader, hasTLS: Bool) throws -> Session.Configuration.Certificate? {
        let (own, secret) = ("mqtt.tls_cert_file", "mqtt.tls_key_file")
        let (file, keyFile) = (try settings.string(own), try settings.string(secret))
        guard file != nil || keyFile != nil else { return nil }
        guard let file else { throw settings.invalid(own, "is required with MQTT_TLS_KEY_FILE") }
        guard let keyFile else { throw settings.invalid(secret, "is required with MQTT_TLS_CERT_FILE") }
        guard hasTLS else { throw settings.invalid("mqtt.tls_ca_file", "is required with MQTT_TLS_CERT_FILE") }
        let chain = try settings.certificates(own)
        _ = try settings.file(secret)
        let key: NIOSSLPrivateKey
        do { key = try NIOSSLPrivateKey(file: keyFile, format: .pem) } catch {
            throw settings.invalid(secret, "\(keyFile) holds no PEM key without a passphrase")
        }
        var pair = TLSConfiguration.makeClientConfiguration()
        pair.certificateChain = chain.map { .certificate($0) }
        pair.privateKey = .privateKey(key)
        // Of no use but to see whether they belong together.
        pair.trustRoots = .certificates(chain)
        do { _ = try NIOSSLContext(configuration: pair) } catch {
            throw settings.invalid(secret, "\(keyFile) is not the key of the certificate in \(file)")
        }
        return Session.Configuration.Certificate(file: file, keyFile: keyFile)
    }
}
