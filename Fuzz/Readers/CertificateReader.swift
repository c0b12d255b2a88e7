@testable import Domain

extension Reader {
    /// A text in PEM. Most bytes between its lines are no base64, so what is no text in PEM is read as one certificate.
    static let certificate = Reader("certificate", longest: 16 * 1024) { bytes in
        let text = String(decoding: bytes, as: UTF8.self)
        guard let blocks = PEM.blocks(of: text), !blocks.isEmpty else {
            _ = Certificate(der: bytes)
            return
        }
        let written = blocks.map(\.text).joined()
        expect(PEM.blocks(of: written) == blocks, "it is read again as it is written")
        for block in blocks {
            let certificate = Certificate(der: block.bytes)
            expect(certificate?.fingerprint.utf8.count ?? 95 == 95, "a fingerprint has 32 bytes")
            expect(
                certificate?.subject.utf8.allSatisfy { (0x20...0x7E).contains($0) } ?? true, "a subject can be shown")
        }
        let client = ClientCertificate(chain: text, privateKey: text)
        do throws(InvalidField) { try client.check() } catch { expect(!error.reason.isEmpty, "it says why") }
    }
}
