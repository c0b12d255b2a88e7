package import Domain

package struct MainfluxMember: Sendable {
    package let group: EntityID
    package let member: String
    package let role: String

    package init(group: EntityID, member: String, role: String) {
        self.group = group
        self.member = member
        self.role = role
    }
}

/// A profile, with what its config says where there is a word for it; numbers and flags as texts.
package struct MainfluxProfile: Sendable {
    package let id: EntityID
    package let group: EntityID?
    package let name: String
    package let configJSON: String
    package let hasConfig: Bool
    package let contentType: String?
    package let writeEnabled: String?
    package let write: String?
    package let webhookEnabled: String?
    package let webhook: String?
    package let webhookID: String?
    package let hasTransformer: Bool
    /// JSON; nil if there is none.
    package let metadata: String?

    package init(
        id: EntityID, group: EntityID?, name: String, configJSON: String, hasConfig: Bool, contentType: String?,
        writeEnabled: String?, write: String?, webhookEnabled: String?, webhook: String?, webhookID: String?,
        hasTransformer: Bool, metadata: String? = nil
    ) {
        self.metadata = metadata
        self.id = id
        self.group = group
        self.name = name
        self.configJSON = configJSON
        self.hasConfig = hasConfig
        self.contentType = contentType
        self.writeEnabled = writeEnabled
        self.write = write
        self.webhookEnabled = webhookEnabled
        self.webhook = webhook
        self.webhookID = webhookID
        self.hasTransformer = hasTransformer
    }
}

package struct MainfluxThing: Sendable {
    package let id: EntityID
    package let group: EntityID?
    package let profile: EntityID?
    package let name: String
    package let key: String
    /// JSON; nil if there is none.
    package let metadata: String?
}

package struct MainfluxWebhook: Sendable {
    package let id: EntityID
    package let group: EntityID
    /// The one thing whose messages it gets; nil if it gets those of all things of the group.
    package let thing: EntityID?
    package let name: String
    package let url: String
    package let headersJSON: String

    package init(id: EntityID, group: EntityID, thing: EntityID?, name: String, url: String, headersJSON: String) {
        self.id = id
        self.group = group
        self.thing = thing
        self.name = name
        self.url = url
        self.headersJSON = headersJSON
    }
}
