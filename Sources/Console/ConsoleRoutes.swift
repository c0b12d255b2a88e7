internal import Crypto
internal import Domain
internal import HTTPTypes
package import Hummingbird
internal import NIOCore

/// `/console/`: a web page of our own that uses the API as any client does. It is made of files that are part of the
/// program, loads nothing from anywhere else, and needs no cookies: the token is sent by the page itself.
package struct ConsoleRoutes: Sendable {
    /// A file. What nobody asks for is not even read into memory.
    private struct Asset: Sendable {
        let name: String
        let bytes: @Sendable () -> [UInt8]

        init(_ name: String, _ bytes: @autoclosure @escaping @Sendable () -> [UInt8]) {
            self.name = name
            self.bytes = bytes
        }

        var contentType: String {
            switch self.name.split(separator: ".").last {
            case "js": "text/javascript; charset=utf-8"
            case "css": "text/css; charset=utf-8"
            case "svg": "image/svg+xml"
            default: "text/html; charset=utf-8"
            }
        }
    }

    private let assets: [Asset] = [
        Asset("index.html", PackageResources.index_html),
        Asset("app.css", PackageResources.app_css),
        Asset("icon.svg", PackageResources.icon_svg),
        Asset("alarms.js", PackageResources.alarms_js),
        Asset("annotations.js", PackageResources.annotations_js),
        Asset("api.js", PackageResources.api_js),
        Asset("app.js", PackageResources.app_js),
        Asset("audit.js", PackageResources.audit_js),
        Asset("broker.js", PackageResources.broker_js),
        Asset("certificates.js", PackageResources.certificates_js),
        Asset("charts.js", PackageResources.charts_js),
        Asset("commands.js", PackageResources.commands_js),
        Asset("delivery.js", PackageResources.delivery_js),
        Asset("dom.js", PackageResources.dom_js),
        Asset("editors.js", PackageResources.editors_js),
        Asset("fields.js", PackageResources.fields_js),
        Asset("firing.js", PackageResources.firing_js),
        Asset("format.js", PackageResources.format_js),
        Asset("frame.js", PackageResources.frame_js),
        Asset("grouplog.js", PackageResources.grouplog_js),
        Asset("groups.js", PackageResources.groups_js),
        Asset("keys.js", PackageResources.keys_js),
        Asset("limits.js", PackageResources.limits_js),
        Asset("livelog.js", PackageResources.livelog_js),
        Asset("lists.js", PackageResources.lists_js),
        Asset("log.js", PackageResources.log_js),
        Asset("logtable.js", PackageResources.logtable_js),
        Asset("members.js", PackageResources.members_js),
        Asset("topicrules.js", PackageResources.topicrules_js),
        Asset("org.js", PackageResources.org_js),
        Asset("orgwebhook.js", PackageResources.orgwebhook_js),
        Asset("overlays.js", PackageResources.overlays_js),
        Asset("notices.js", PackageResources.notices_js),
        Asset("overview.js", PackageResources.overview_js),
        Asset("profileform.js", PackageResources.profileform_js),
        Asset("protobuf.js", PackageResources.protobuf_js),
        Asset("rawjson.js", PackageResources.rawjson_js),
        Asset("resend.js", PackageResources.resend_js),
        Asset("router.js", PackageResources.router_js),
        Asset("session.js", PackageResources.session_js),
        Asset("source.js", PackageResources.source_js),
        Asset("sourceform.js", PackageResources.sourceform_js),
        Asset("sources.js", PackageResources.sources_js),
        Asset("state.js", PackageResources.state_js),
        Asset("testing.js", PackageResources.testing_js),
        Asset("thing.js", PackageResources.thing_js),
        Asset("thingimport.js", PackageResources.thingimport_js),
        Asset("thingpicker.js", PackageResources.thingpicker_js),
        Asset("things.js", PackageResources.things_js),
        Asset("ui.js", PackageResources.ui_js),
        Asset("webhook.js", PackageResources.webhook_js),
        Asset("webhookform.js", PackageResources.webhookform_js),
        Asset("webhookparts.js", PackageResources.webhookparts_js),
        Asset("webhooks.js", PackageResources.webhooks_js),
        Asset("why.js", PackageResources.why_js),
    ]

    /// Nothing but our own files runs, is shown or is asked; nobody may show us inside a page of theirs; and text from
    /// elsewhere cannot become markup, because no markup is made of text at all.
    private static let securityPolicy = """
        default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
        base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'
        """

    package init() {}

    package func add(to router: Router<some RequestContext>) {
        router.get("console") { request, _ in
            // Names of files are relative to the folder.
            guard request.uri.path.hasSuffix("/") else {
                return Response(status: .permanentRedirect, headers: [.location: "console/"])
            }
            return Self.answer(self.assets[0], to: request)
        }
        for asset in self.assets {
            router.get("console/\(asset.name)") { request, _ in Self.answer(asset, to: request) }
        }
    }

    private static func answer(_ asset: Asset, to request: Request) -> Response {
        let bytes = asset.bytes()
        let entityTag = "\"\(Hex.encode(SHA256.hash(data: bytes).prefix(12)))\""
        var headers: HTTPFields = [
            .contentType: asset.contentType, .eTag: entityTag,
            // Asked for again each time, and answered in a few bytes: another version is never mixed with this one.
            .cacheControl: "no-cache", .contentSecurityPolicy: Self.securityPolicy, .xContentTypeOptions: "nosniff",
        ]
        headers[.init("referrer-policy")!] = "no-referrer"
        headers[.init("cross-origin-opener-policy")!] = "same-origin"
        headers[.init("cross-origin-resource-policy")!] = "same-origin"
        headers[.init("permissions-policy")!] = "camera=(), geolocation=(), microphone=()"
        guard request.headers[.ifNoneMatch] != entityTag else {
            return Response(status: .notModified, headers: headers)
        }
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }
}
