// swift-tools-version: 6.3
import PackageDescription

// A package of its own, so that nothing of the service is built with what guides the search (libFuzzer). The rooms are those
// of the service, through links, because what they offer each other (`package`) is not visible to other packages. Of rooms
// that need more than that only the files are taken that read something, which keeps the build short.

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .unsafeFlags(["-sanitize=fuzzer", "-enable-testing"]),
]

let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let cryptoExtras = Target.Dependency.product(name: "CryptoExtras", package: "swift-crypto")

let package = Package(
    name: "hookline-fuzz",
    platforms: [.macOS(.v15)],
    dependencies: [
        // What the service was built with, where that was fetched to: it is not compiled anew for being elsewhere.
        .package(path: "../.build/checkouts/swift-crypto"),
        .package(path: "../.build/checkouts/Yams"),
    ],
    targets: [
        .target(name: "Values", path: "Sources/Values", swiftSettings: settings),
        .target(
            name: "Domain", dependencies: ["Values", crypto, cryptoExtras], path: "Sources/Domain",
            swiftSettings: settings),
        .target(
            name: "WebhookClient", dependencies: ["Domain"], path: "Sources/WebhookClient",
            sources: ["ChunkedFraming.swift", "ResponseHead.swift", "ResponseParser.swift"],
            swiftSettings: settings),
        .target(
            name: "Schema", dependencies: ["Domain", "Values"], path: "Sources/Schema", sources: ["Pages.swift"],
            swiftSettings: settings),
        .target(
            name: "API", dependencies: ["Domain", "Values"], path: "Sources/API", exclude: ["openapi.json"],
            sources: [
                "HTTP/EventFrame.swift", "HTTP/JSONWriter.swift", "HTTP/ReachedAddress.swift", "HTTP/Shapes.swift",
            ],
            swiftSettings: settings),
        .target(
            name: "Declarations", dependencies: ["Domain", .product(name: "Yams", package: "Yams")],
            path: "Sources/Declarations", swiftSettings: settings),
        .executableTarget(
            name: "Readers",
            dependencies: ["API", "Declarations", "Domain", "Schema", "Values", "WebhookClient", crypto],
            path: "Readers", swiftSettings: settings,
            // Debian's gold does not link what the coverage adds.
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer", "-use-ld=lld"])]),
    ]
)
