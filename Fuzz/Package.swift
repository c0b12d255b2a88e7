// swift-tools-version: 6.3
import PackageDescription

// A package of its own, so that nothing of the service is built with what guides the search (libFuzzer). The rooms are those of
// the service, through links, because what they offer each other (`package`) is not visible to other packages.

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .unsafeFlags(["-sanitize=fuzzer"]),
]

let package = Package(
    name: "hookline-fuzz",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
    ],
    targets: [
        .target(name: "Values", path: "Sources/Values", swiftSettings: settings),
        .target(
            name: "Domain", dependencies: ["Values", .product(name: "Crypto", package: "swift-crypto")],
            path: "Sources/Domain", swiftSettings: settings),
        .target(
            name: "WebhookClient",
            dependencies: [
                "Domain", .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"), .product(name: "NIOTLS", package: "swift-nio"),
            ],
            path: "Sources/WebhookClient", swiftSettings: settings),
        .executableTarget(
            name: "Parsers", dependencies: ["Domain", "Values", "WebhookClient"], path: "Parsers",
            swiftSettings: settings,
            // Debian's gold does not link what the coverage adds.
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer", "-use-ld=lld"])]),
    ]
)
