internal import Domain
package import MQTT
internal import Values

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// mosquitto's dynamic-security plugin, which is asked over MQTT itself
/// (https://mosquitto.org/documentation/dynamic-security/).
package struct DynamicSecurity: Sendable {
    package static let topic = "$CONTROL/dynamic-security/v1"
    package static let answers = "$CONTROL/dynamic-security/v1/response"

    private let publisher: Publisher

    /// - Parameter publisher: connected as an account that may use ``topic``, with ``answers`` as its answers.
    package init(_ publisher: Publisher) {
        self.publisher = publisher
    }

    /// One thing to do. Several go in one message and are carried out in order, each for itself.
    struct Command: Encodable, Sendable, Unprintable {
        var command: String
        var rolename: String?
        var username: String?
        var password: String?
        var textdescription: String?
        var acls: [AccessRule]?
        var roles: [RoleName]?
        var verbose: Bool?
        var count: Int?
        var offset: Int?

        init(_ command: String) { self.command = command }
    }

    struct AccessRule: Codable, Sendable {
        let acltype: String
        let topic: String
        var allow = true
        var priority = 0
    }

    struct RoleName: Codable, Sendable {
        let rolename: String
    }

    private struct Request: Encodable {
        let commands: [Command]
    }

    private struct Answer: Decodable {
        let responses: [Response]
    }

    struct Response: Decodable, Sendable {
        let command: String
        let error: String?
        let data: Listing?
    }

    struct Listing: Decodable, Sendable {
        let totalCount: Int?
        let clients: [Account]?
        let client: Account?
        let acls: [DefaultAccess]?
    }

    /// What is allowed where no rule says anything.
    struct DefaultAccess: Decodable, Sendable {
        let acltype: String
        let allow: Bool
    }

    /// A client of the broker, as the plugin lists it.
    struct Account: Decodable, Sendable {
        let username: String
        let textdescription: String?
        var roles: [RoleName]?
    }

    struct Failed: Error, CustomStringConvertible {
        let description: String
    }

    /// - Parameter ignoring: what the plugin says of things that are as they should be already.
    func run(_ commands: [Command], ignoring: Set<String> = []) async throws -> [Response] {
        let question = Array(try JSONEncoder().encode(Request(commands: commands)))
        let text = try await self.publisher.ask(question, on: Self.topic)
        let answer = try JSONDecoder().decode(Answer.self, from: Data(text))
        for response in answer.responses {
            guard let error = response.error, !ignoring.contains(error) else { continue }
            throw Failed(description: "dynamic security: \(response.command): \(error)")
        }
        return answer.responses
    }

    /// All accounts, a page at a time.
    func accounts() async throws -> [Account] {
        var all: [Account] = []
        while true {
            var list = Command("listClients")
            list.verbose = true
            list.count = 1_000
            list.offset = all.count
            let page = try await self.run([list]).first?.data?.clients ?? []
            all += page
            if page.count < 1_000 { return all }
        }
    }
}

extension DynamicSecurity {
    static let alreadyThere: Set<String> = ["Role already exists", "Client already exists"]
    static let alreadyGone: Set<String> = ["Role not found", "Client not found"]

    /// What tells a thing's account from others, and whether its password and what it may do are as they are now.
    static func description(_ fingerprint: String) -> String { "hookline thing \(fingerprint) 2" }

    static func isThing(_ account: Account) -> Bool {
        account.textdescription?.hasPrefix("hookline thing ") == true
    }

    /// Makes the account, or brings it up to date: it may publish below its own topic and hear what answers it.
    static func upsert(thing: EntityID, key: String, fingerprint: String) -> [Command] {
        let id = thing.description
        let role = "thing-\(id)"
        var makeRole = Command("createRole")
        makeRole.rolename = role
        makeRole.acls = [
            AccessRule(acltype: "publishClientSend", topic: "things/\(id)/messages/#"),
            AccessRule(acltype: "subscribePattern", topic: "things/\(id)/responses/#"),
            AccessRule(acltype: "publishClientReceive", topic: "things/\(id)/responses/#"),
            AccessRule(acltype: "subscribePattern", topic: "things/\(id)/commands/#"),
            AccessRule(acltype: "publishClientReceive", topic: "things/\(id)/commands/#"),
        ]
        // One that an earlier version made lacks what has been added since.
        var modifyRole = makeRole
        modifyRole.command = "modifyRole"
        var make = Command("createClient")
        make.username = id
        make.password = key
        make.textdescription = Self.description(fingerprint)
        make.roles = [RoleName(rolename: role)]
        var modify = make
        modify.command = "modifyClient"
        return [makeRole, modifyRole, make, modify]
    }

    static func remove(thing: EntityID) -> [Command] {
        var client = Command("deleteClient")
        client.username = thing.description
        var role = Command("deleteRole")
        role.rolename = "thing-\(thing)"
        return [client, role]
    }

    /// Makes Hookline's own account if need be, and gives it what it needs to do its work.
    ///
    /// - Parameter topics: filters that groups' topic rules may have.
    func admit(_ receiver: AccountKeeper.Configuration.Receiver, reading topics: [String] = []) async throws {
        var role = Command("createRole")
        role.rolename = "hookline"
        role.acls = [
            AccessRule(acltype: "subscribePattern", topic: "things/+/messages/#"),
            // The plugin sees a shared subscription with all that stands before the filter.
            AccessRule(acltype: "subscribePattern", topic: "$share/+/things/+/messages/#"),
            AccessRule(acltype: "publishClientReceive", topic: "things/+/messages/#"),
            AccessRule(acltype: "publishClientSend", topic: "things/+/messages/#"),
            AccessRule(acltype: "publishClientSend", topic: "things/+/responses/#"),
            AccessRule(acltype: "publishClientSend", topic: "things/+/commands/#"),
            AccessRule(acltype: "publishClientSend", topic: "users/+/notifications"),
        ]
        for topic in topics {
            role.acls?.append(AccessRule(acltype: "subscribePattern", topic: topic))
            role.acls?.append(AccessRule(acltype: "subscribePattern", topic: "$share/+/\(topic)"))
            role.acls?.append(AccessRule(acltype: "publishClientReceive", topic: topic))
            // Where a message asks for its answer, beside what a rule takes.
            role.acls?.append(AccessRule(acltype: "publishClientSend", topic: topic))
        }
        // One that an earlier version made lacks what has been added since.
        var modify = role
        modify.command = "modifyRole"
        _ = try await self.run([role, modify], ignoring: Self.alreadyThere)
        var question = Command("getClient")
        question.username = receiver.username
        // The plugin calls it an internal error to give a role twice, so it is asked first.
        let ignored = receiver.password == nil ? [] : Self.alreadyGone
        guard let account = try await self.run([question], ignoring: ignored).first?.data?.client else {
            var make = Command("createClient")
            make.username = receiver.username
            make.password = receiver.password?.reveal()
            make.textdescription = "hookline"
            make.roles = [RoleName(rolename: "hookline")]
            _ = try await self.run([make])
            return
        }
        let roles = account.roles ?? []
        guard !roles.contains(where: { $0.rolename == "hookline" }) else { return }
        var admission = Command("addClientRole")
        admission.username = receiver.username
        admission.rolename = "hookline"
        _ = try await self.run([admission])
    }
}
