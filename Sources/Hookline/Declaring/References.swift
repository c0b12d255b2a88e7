internal import Declarations
internal import Domain
internal import Glibc
internal import LocalServices
internal import Values

/// Finds what a file refers to: secrets on this machine, and ids in the group.
struct References: Sendable {
    /// What a path in a file is seen from.
    let folder: String
    /// Ids of the group's profiles by name, and of its things by external id or else by name. One that is yet to be made has
    /// ``toBeMade``.
    var profiles: [ExactText: String] = [:]
    var things: [ExactText: String] = [:]

    static let toBeMade = "00000000-0000-0000-0000-000000000000"

    func find(_ reference: Reference, at place: String) throws(InvalidField) -> String {
        switch reference {
        case .variable(let name):
            guard let text = getenv(name).map({ String(cString: $0) }) else {
                throw InvalidField(place, "needs \(name) in the environment")
            }
            return text
        case .file(let path):
            let whole = path.hasPrefix("/") ? path : "\(self.folder)/\(path)"
            var text: String
            do throws(UnreadableFile) { text = try Files.text(of: whole) } catch {
                throw InvalidField(place, "needs \(whole), which \(error.reason)")
            }
            if text.hasSuffix("\r\n") || text.hasSuffix("\n") { text.removeLast() }
            return text
        case .profile(let name):
            guard let id = self.profiles[ExactText(name)] else {
                throw InvalidField(place, "names the profile \(name), which the group does not have")
            }
            return id
        case .thing(let name):
            guard let id = self.things[ExactText(name)] else {
                throw InvalidField(place, "names the thing \(name), which the group does not have, or has twice")
            }
            return id
        }
    }
}
