internal import HTTPTypes
internal import Hummingbird

/// Which methods each path has, for those who ask with another (RFC 9110, section 15.5.6).
struct MethodTable: Sendable {
    private struct Entry: Sendable {
        /// nil stands for any one segment.
        let segments: [String?]
        /// Whether the last stands for more of them too.
        let takesRest: Bool
        let methods: [String]
    }

    private let entries: [Entry]

    init(_ router: Router<some RequestContext>) {
        let byPath = Dictionary(grouping: router.routes) { "\($0.path)" }
        self.entries = byPath.map { path, routes in
            var methods = Set(routes.map(\.method.rawValue))
            // The router answers HEAD wherever it answers GET.
            if methods.contains("GET") { methods.insert("HEAD") }
            return Entry(
                segments: path.split(separator: "/").map { [":", "{", "*"].contains($0.first) ? nil : String($0) },
                takesRest: path.hasSuffix("**"), methods: methods.sorted())
        }
    }

    /// The methods that a path has; nil if there is no such path.
    func methods(of path: some StringProtocol) -> [String]? {
        let segments = path.split(separator: "/")
        let matching = self.entries.filter { entry in
            (entry.segments.count == segments.count || entry.takesRest && entry.segments.count < segments.count)
                && zip(entry.segments, segments).allSatisfy { $0 == nil || $0! == $1 }
        }
        // A name is more than a parameter: `/groups/x` is not `/groups/{id}` if there is a path of that name.
        return matching.max { $0.segments.count { $0 != nil } < $1.segments.count { $0 != nil } }?.methods
    }
}
