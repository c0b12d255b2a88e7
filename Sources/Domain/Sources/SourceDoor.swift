/// A source as its callers meet it.
package struct SourceDoor: Sendable {
    package let id: EntityID
    package let group: EntityID
    package let thing: EntityID
    package let isEnabled: Bool
    /// Whether somebody waits to see an event.
    package let isListening: Bool
    package let settings: SourceSettings
    package let version: Int64
    /// nil if signatures are asked for.
    package let keyHash: [UInt8]?
    /// nil if an API key is asked for.
    package let secret: String?
    /// What of it this version cannot read; nothing can be taken then.
    package let fault: String?
    /// The number that rows about the source carry.
    package let key: Int32

    package init(
        id: EntityID, group: EntityID, thing: EntityID, isEnabled: Bool, isListening: Bool, settings: SourceSettings,
        version: Int64, keyHash: [UInt8]?, secret: String?, fault: String? = nil, key: Int32
    ) {
        self.id = id
        self.group = group
        self.thing = thing
        self.isEnabled = isEnabled
        self.isListening = isListening
        self.settings = settings
        self.version = version
        self.keyHash = keyHash
        self.secret = secret
        self.fault = fault
        self.key = key
    }

    /// The same, for an event that goes no further.
    package var asDisabled: SourceDoor {
        SourceDoor(
            id: self.id, group: self.group, thing: self.thing, isEnabled: false, isListening: self.isListening,
            settings: self.settings, version: self.version, keyHash: self.keyHash, secret: self.secret,
            fault: self.fault, key: self.key)
    }
}
