internal import Declarations
internal import Domain
internal import Glibc
internal import LocalServices

/// The file that keeps what applies have made or written.
struct OwnershipFile: Sendable {
    let path: String

    /// - Parameter url: of the installation; a file that tells of another one is refused, for what is there would seem to be gone.
    /// - Throws: ``Apply/Failure``.
    func read(of url: String) throws -> Ownership {
        guard let text = Files.read(self.path) else {
            guard !Files.exists(self.path) else { throw Apply.Failure(description: "\(self.path) cannot be read.") }
            return Ownership(url: url)
        }
        let owned: Ownership
        do throws(InvalidField) { owned = try Ownership(reading: Array(text.utf8)) } catch {
            throw Apply.Failure(description: "\(self.path): \(error)".printable)
        }
        guard owned.url == url else {
            throw Apply.Failure(
                description: "\(self.path) tells of \(owned.url), and \(url) is asked: name another file.".printable)
        }
        return owned
    }

    /// Whole or not at all. Who may read it is for its owner to say: at first nobody else.
    func write(_ owned: Ownership) throws {
        try Files.write(owned.text, to: "\(self.path).new", mode: Files.mode(of: self.path) ?? 0o600)
        guard rename("\(self.path).new", self.path) == 0 else {
            throw Apply.Failure(
                description: "\(self.path) cannot be written: \(String(cString: strerror(errno)))".printable)
        }
    }
}
