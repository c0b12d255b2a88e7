// swift-tools-version: 6.2
import PackageDescription

let common: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    // https://github.com/swiftlang/swift-evolution/blob/main/proposals/0335-existential-any.md
    .enableUpcomingFeature("ExistentialAny"),
    // https://github.com/swiftlang/swift-evolution/blob/main/proposals/0444-member-import-visibility.md
    .enableUpcomingFeature("MemberImportVisibility"),
    // https://github.com/swiftlang/swift-evolution/blob/main/proposals/0409-access-level-on-imports.md
    .enableUpcomingFeature("InternalImportsByDefault"),
]

/// The rooms that touch C: every unsafe expression is marked, so that a reviewer finds them by reading `unsafe`.
let cRoom: [SwiftSetting] = common + [.strictMemorySafety()]

/// The rooms that no message goes through. Nothing is specialized in what imports them, which halves the time that their release
/// build takes; that they are specialized for what they import themselves stays.
let aside: [SwiftSetting] =
    common + [.unsafeFlags(["-Xfrontend", "-disable-cmo"], .when(configuration: .release))]

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let asyncHTTPClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let configuration = Target.Dependency.product(name: "Configuration", package: "swift-configuration")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let cryptoExtras = Target.Dependency.product(name: "CryptoExtras", package: "swift-crypto")
let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let jwtKit = Target.Dependency.product(name: "JWTKit", package: "jwt-kit")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let nioHTTPTypes = Target.Dependency.product(name: "NIOHTTPTypes", package: "swift-nio-extras")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioTLS = Target.Dependency.product(name: "NIOTLS", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let serviceLifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let systemPackage = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")

/// Files that are not Swift, as texts in the code of their target.
let embedText: [Target.PluginUsage] = [.plugin(name: "EmbedText")]

let package = Package(
    name: "hookline",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "hookline", targets: ["Hookline"]),
        .executable(name: "hookline-load", targets: ["Load"]),
        .executable(name: "hookline-parts", targets: ["Parts"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(
            url: "https://github.com/apple/swift-configuration", from: "1.4.0",
            traits: ["CommandLineArguments", "JSON"]),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: []),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.0", traits: []),
        .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.0"),
    ],
    targets: [
        // The C libraries. Exactly one Swift target imports each.
        .systemLibrary(name: "CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"]), .brew(["libpq"])]),
        .systemLibrary(
            name: "CMosquitto", pkgConfig: "libmosquitto",
            providers: [.apt(["libmosquitto-dev"]), .brew(["mosquitto"])]),
        .systemLibrary(
            name: "CCurl", pkgConfig: "libcurl",
            providers: [.apt(["libcurl4-openssl-dev"]), .brew(["curl"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]),
        // glibc's malloc.h, which Swift's Glibc module leaves out.
        .systemLibrary(name: "CMalloc"),

        // Foundations: no knowledge of what Hookline does.
        .target(name: "Threads", swiftSettings: cRoom),
        .target(name: "Values", swiftSettings: common),
        .target(name: "Postgres", dependencies: ["CLibPQ", "Threads", "Values", deque, logging], swiftSettings: cRoom),
        .target(name: "MQTT", dependencies: ["CMosquitto", "Threads", "Values", logging], swiftSettings: cRoom),
        .target(name: "Domain", dependencies: ["Values", crypto, cryptoExtras], swiftSettings: common),
        .target(name: "Gzip", dependencies: ["CZlib"], swiftSettings: cRoom),
        .target(name: "Mail", dependencies: ["CCurl", "Domain", "Threads", "Values"], swiftSettings: cRoom),
        .plugin(name: "EmbedText", capability: .buildTool(), dependencies: ["embed-text"]),
        .executableTarget(name: "embed-text", path: "Plugins/embed-text", swiftSettings: common),
        .target(
            name: "Migrations", path: "migrations", swiftSettings: common, plugins: embedText),

        .target(name: "LocalServices", dependencies: [subprocess, systemPackage], swiftSettings: common),

        // The service.
        .target(name: "Observability", dependencies: ["Values", logging], swiftSettings: common),
        .target(name: "Schema", dependencies: ["Domain", "Migrations", "Postgres", "Values"], swiftSettings: common),
        .target(
            name: "Journal",
            dependencies: ["Domain", "Observability", "Postgres", "Schema", "Values", logging, serviceLifecycle],
            swiftSettings: common),
        .target(
            name: "Registry",
            dependencies: [
                "Domain", "Journal", "Observability", "Postgres", "Queue", "Schema", "Values", crypto, deque, logging,
                serviceLifecycle,
            ],
            swiftSettings: common),
        .target(
            name: "Queue",
            dependencies: [
                "Domain", "Journal", "Observability", "Postgres", "Schema", "Values", crypto, deque, logging,
                serviceLifecycle,
            ],
            swiftSettings: common),
        .target(
            name: "Intake",
            dependencies: [
                "Domain", "Journal", "MQTT", "Observability", "Postgres", "Queue", "Registry", "Schema", "Values",
                logging,
                serviceLifecycle,
            ],
            swiftSettings: common),
        .target(
            name: "BrokerAccounts",
            dependencies: [
                "Domain", "MQTT", "Observability", "Postgres", "Registry", "Values", logging, serviceLifecycle,
            ],
            swiftSettings: aside),
        .target(
            name: "WebhookClient",
            dependencies: ["Domain", "Gzip", "Values", deque, nioCore, nioPosix, nioSSL, nioTLS],
            swiftSettings: common),
        .target(
            name: "Delivery",
            dependencies: [
                "Domain", "Gzip", "Journal", "Observability", "Queue", "Schema", "Values", "WebhookClient", logging,
                nioCore,
                nioPosix,
                serviceLifecycle,
            ],
            swiftSettings: common),
        .target(
            name: "Inbound",
            dependencies: ["Domain", "MQTT", "Observability", "Queue", "Values", deque, logging, serviceLifecycle],
            swiftSettings: common),
        .target(
            name: "Notifications",
            dependencies: [
                "Domain", "MQTT", "Mail", "Observability", "Queue", "Values", "WebhookClient", deque, logging,
                nioCore, serviceLifecycle,
            ],
            swiftSettings: aside),
        .target(
            name: "Mainflux", dependencies: ["Domain", "Postgres", "Registry", "Schema", "Values"],
            swiftSettings: aside),
        .target(name: "Declarations", dependencies: ["Domain", "Values", yams], swiftSettings: aside),
        .target(
            name: "Console", dependencies: ["Domain", crypto, httpTypes, hummingbird, nioCore],
            exclude: ["deno.json"], swiftSettings: aside, plugins: embedText),
        .target(
            name: "API",
            dependencies: [
                "Console", "Domain", "Journal", "MQTT", "Observability", "Queue", "Registry", "Schema", "Values",
                crypto,
                httpTypes, hummingbird, hummingbirdCore, jwtKit, logging, nioCore, nioHTTP1, nioHTTPTypes,
                serviceLifecycle,
            ],
            swiftSettings: aside, plugins: embedText),
        .executableTarget(
            name: "Hookline",
            dependencies: [
                "API", "BrokerAccounts", "CMalloc", "Declarations", "Delivery", "Domain", "Gzip", "Inbound", "Intake",
                "Journal",
                "LocalServices", "MQTT", "Mail", "Mainflux", "Notifications", "Observability", "Postgres", "Queue",
                "Registry",
                "Schema", "Threads", "Values", "WebhookClient",
                argumentParser, configuration, crypto, hummingbird, logging, nioCore, nioPosix,
                nioSSL, serviceLifecycle, systemPackage, unixSignals,
            ],
            swiftSettings: aside),

        // Measures the service from outside.
        .executableTarget(
            name: "Load",
            dependencies: [
                "Domain", "LocalServices", "Postgres", "Registry", "Schema", "WebhookClient", argumentParser, logging,
                nioCore, nioPosix, nioSSL,
            ],
            swiftSettings: aside),

        // Measures parts of it from inside.
        .executableTarget(
            name: "Parts",
            dependencies: [
                "Delivery", "Domain", "Postgres", "Queue", "Registry", "Schema", "Values", argumentParser, logging,
                nioCore,
            ],
            path: "Benchmarks/Parts", swiftSettings: common),

        // Tests: one folder per room, and the whole on real services.
        .target(
            name: "TestSupport",
            dependencies: ["LocalServices", asyncHTTPClient, crypto, logging, nioCore, nioHTTP1, nioPosix],
            path: "Tests/TestSupport", swiftSettings: common),
        .target(
            name: "StoreTestSupport",
            dependencies: [
                "Domain", "Journal", "LocalServices", "Postgres", "Queue", "Registry", "Schema", "TestSupport",
                "Values",
                serviceLifecycle,
            ],
            path: "Tests/StoreTestSupport", swiftSettings: common),
        .testTarget(name: "ValuesTests", dependencies: ["Values"], swiftSettings: common),
        .testTarget(name: "ThreadsTests", dependencies: ["Threads"], swiftSettings: common),
        .testTarget(
            name: "PostgresTests", dependencies: ["LocalServices", "Postgres", "TestSupport", "Values", logging],
            swiftSettings: common),
        .testTarget(
            name: "MQTTTests", dependencies: ["LocalServices", "MQTT", "TestSupport", "Values", logging],
            swiftSettings: common),
        .testTarget(
            name: "MailTests", dependencies: ["Domain", "LocalServices", "Mail", "TestSupport", "Values"],
            swiftSettings: common),
        .testTarget(
            name: "NotificationsTests",
            dependencies: ["Domain", "Notifications", "Values"], swiftSettings: common),
        .testTarget(
            name: "APITests",
            dependencies: [
                "API", "Domain", "Journal", "Observability", "Postgres", "Queue", "Registry", "Schema", "TestSupport",
                "Values", "embed-text", httpTypes, hummingbird, logging, nioCore, nioEmbedded,
                nioHTTP1, nioHTTPTypes,
            ],
            swiftSettings: common),
        .testTarget(name: "DomainTests", dependencies: ["Domain", "TestSupport", "Values"], swiftSettings: common),
        .testTarget(
            name: "SchemaTests",
            dependencies: ["Domain", "LocalServices", "Migrations", "Postgres", "Schema", "TestSupport", crypto],
            swiftSettings: common),
        .testTarget(
            name: "JournalTests",
            dependencies: [
                "Domain", "Journal", "Postgres", "Queue", "Schema", "StoreTestSupport", "TestSupport", "Values",
            ],
            swiftSettings: common),
        .testTarget(
            name: "QueueTests",
            dependencies: [
                "Domain", "Journal", "Observability", "Postgres", "Queue", "Registry", "Schema", "StoreTestSupport",
                "TestSupport", "Values",
                logging,
            ],
            swiftSettings: common),
        .testTarget(
            name: "RegistryTests",
            dependencies: [
                "Domain", "Journal", "LocalServices", "Postgres", "Queue", "Registry", "Schema", "StoreTestSupport",
                "TestSupport", "Values",
                logging,
            ],
            swiftSettings: common),
        .testTarget(
            name: "SimulationTests", dependencies: ["Domain", "Journal", "Queue", "Schema", "TestSupport", "Values"],
            swiftSettings: common),
        .testTarget(
            name: "IntakeTests",
            dependencies: [
                "Domain", "Intake", "Journal", "LocalServices", "MQTT", "Observability", "Postgres", "Queue",
                "Registry", "Schema", "StoreTestSupport", "TestSupport", "Values", logging, serviceLifecycle,
            ], swiftSettings: common),
        .testTarget(
            name: "InboundTests",
            dependencies: [
                "Domain", "Inbound", "LocalServices", "MQTT", "Observability", "Postgres", "Queue", "Registry",
                "Schema",
                "TestSupport", "Values", logging, serviceLifecycle,
            ], swiftSettings: common),
        .testTarget(
            name: "WebhookClientTests",
            dependencies: [
                "Domain", "Gzip", "LocalServices", "TestSupport", "WebhookClient", nioCore, nioEmbedded, nioPosix,
                nioSSL,
            ], swiftSettings: common),
        .testTarget(
            name: "DeliveryTests",
            dependencies: [
                "Delivery", "Domain", "Gzip", "Journal", "LocalServices", "Observability", "Postgres", "Queue",
                "Schema", "TestSupport", "Values", "WebhookClient",
                nioCore,
                nioPosix,
            ],
            swiftSettings: common),
        .testTarget(
            name: "DeclarationsTests", dependencies: ["API", "Declarations", "Domain"], swiftSettings: common),
        .testTarget(name: "MainfluxTests", dependencies: ["Domain", "Mainflux", "Registry"], swiftSettings: common),
        .testTarget(
            name: "ObservabilityTests", dependencies: ["Observability", "Values", logging], swiftSettings: common),
        .testTarget(
            name: "IntegrationTests", dependencies: ["LocalServices", "TestSupport"], swiftSettings: common),
    ]
)
