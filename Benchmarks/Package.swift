// swift-tools-version: 6.3
import PackageDescription

// A package of its own, so that the service does not depend on what measures its parts. The rooms are those of the
// service, through links, because what they offer each other (`package`) is not visible to other packages.

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let cryptoExtras = Target.Dependency.product(name: "CryptoExtras", package: "swift-crypto")
let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioTLS = Target.Dependency.product(name: "NIOTLS", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let serviceLifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")

let package = Package(
    name: "hookline-benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.0", traits: []),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        .systemLibrary(name: "CLibPQ", path: "Sources/CLibPQ", pkgConfig: "libpq"),
        .target(name: "Threads", path: "Sources/Threads", swiftSettings: settings),
        .target(name: "Values", path: "Sources/Values", swiftSettings: settings),
        .target(
            name: "Postgres", dependencies: ["CLibPQ", "Threads", "Values", deque, logging], path: "Sources/Postgres",
            swiftSettings: settings),
        .target(
            name: "Domain", dependencies: ["Values", crypto, cryptoExtras], path: "Sources/Domain",
            swiftSettings: settings),
        .target(
            name: "Migrations", path: "migrations", exclude: [],
            resources: [
                .embedInCode("0001_initial.sql"), .embedInCode("0002_delivery_policies.sql"),
                .embedInCode("0003_broker_accounts.sql"), .embedInCode("0004_abandoned_clients.sql"),
                .embedInCode("0005_delivery_batches.sql"), .embedInCode("0006_webhook_fields.sql"),
                .embedInCode("0007_sources.sql"),
                .embedInCode("0008_group_stats.sql"), .embedInCode("0009_safe_to_repeat.sql"),
                .embedInCode("0010_sessions_over.sql"), .embedInCode("0011_lists.sql"),
                .embedInCode("0012_waiting_messages.sql"), .embedInCode("0013_json_as_written.sql"),
                .embedInCode("0014_api_keys.sql"),
                .embedInCode("0015_audit.sql"),
                .embedInCode("0016_broker_identity.sql"),
                .embedInCode("0017_erasure.sql"),
                .embedInCode("0018_sealed_queries.sql"),
                .embedInCode("0019_notices.sql"),
                .embedInCode("0020_resends.sql"),
                .embedInCode("0024_things_as_named.sql"),
            ],
            swiftSettings: settings),
        .target(
            name: "Observability", dependencies: [logging], path: "Sources/Observability", swiftSettings: settings),
        .target(
            name: "Schema", dependencies: ["Domain", "Migrations", "Postgres", "Values"], path: "Sources/Schema",
            swiftSettings: settings),
        .target(
            name: "Journal",
            dependencies: ["Domain", "Observability", "Postgres", "Schema", "Values", logging, serviceLifecycle],
            path: "Sources/Journal", swiftSettings: settings),
        .target(
            name: "Queue",
            dependencies: [
                "Domain", "Journal", "Observability", "Postgres", "Schema", "Values", crypto, deque, logging,
                serviceLifecycle,
            ],
            path: "Sources/Queue", swiftSettings: settings),
        .target(
            name: "WebhookClient", dependencies: ["Domain", "Values", deque, nioCore, nioPosix, nioSSL, nioTLS],
            path: "Sources/WebhookClient", swiftSettings: settings),
        .target(
            name: "Delivery",
            dependencies: [
                "Domain", "Journal", "Observability", "Queue", "Schema", "Values", "WebhookClient", logging, nioCore,
                nioPosix, serviceLifecycle,
            ],
            path: "Sources/Delivery", swiftSettings: settings),
        .executableTarget(
            name: "Parts",
            dependencies: [
                "Delivery", "Domain", "Postgres", nioCore,
                .product(name: "Benchmark", package: "benchmark"),
            ],
            path: "Parts", swiftSettings: settings,
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]),
    ]
)
