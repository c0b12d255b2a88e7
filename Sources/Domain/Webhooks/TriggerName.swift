/// What Blynk calls what makes a webhook fire, where it is the same as one of ours: in its API, or in the words of its console.
package enum TriggerAlias: String, Sendable, CaseIterable {
    case deviceDatastreamUpdate = "DEVICE_DATASTREAM_UPDATE"
    case productDatastreamUpdate = "PRODUCT_DATASTREAM_UPDATE"
    case globalProductDatastreamUpdate = "GLOBAL_PRODUCT_DATASTREAM_UPDATE"
    case deviceLogEvent = "DEVICE_LOG_EVENT"
    case productLogEvent = "PRODUCT_LOG_EVENT"
    case globalProductLogEvent = "GLOBAL_PRODUCT_LOG_EVENT"
    case deviceAdded = "DEVICE_ADDED"
    case deviceDeleted = "DEVICE_DELETED"
    case deviceConnectedFirstTime = "DEVICE_CONNECTED_FIRST_TIME"
    case firstDeviceConnectionInOrg = "FIRST_DEVICE_CONNECTION_IN_ORG"
    case userAdded = "USER_ADDED"
    case newUser = "NEW_USER"
    case userDeleted = "USER_DELETED"
    case deletedUser = "DELETED_USER"
    case updatedUser = "UPDATED_USER"

    package var kind: TriggerKind {
        switch self {
        case .deviceDatastreamUpdate, .productDatastreamUpdate, .globalProductDatastreamUpdate: .message
        case .deviceLogEvent, .productLogEvent, .globalProductLogEvent: .logEvent
        case .deviceAdded: .thingCreated
        case .deviceDeleted: .thingRemoved
        case .deviceConnectedFirstTime, .firstDeviceConnectionInOrg: .thingFirstMessage
        case .userAdded, .newUser: .memberAdded
        case .userDeleted, .deletedUser: .memberRemoved
        case .updatedUser: .userMetaUpdated
        }
    }
}

/// What a trigger may be called: as we do, or by an alias.
package struct TriggerName: RawRepresentable, CaseIterable, Sendable {
    package let kind: TriggerKind
    /// nil if it is our own name.
    package let alias: TriggerAlias?

    package init(_ kind: TriggerKind) {
        self.kind = kind
        self.alias = nil
    }

    package init(_ alias: TriggerAlias) {
        self.kind = alias.kind
        self.alias = alias
    }

    package init?(rawValue: String) {
        guard let name = Self.allCases.first(where: { $0.rawValue == rawValue }) else { return nil }
        self = name
    }

    package var rawValue: String { self.alias?.rawValue ?? self.kind.rawValue }

    package static let allCases: [TriggerName] =
        TriggerKind.allCases.map { Self($0) } + TriggerAlias.allCases.map { Self($0) }
}
