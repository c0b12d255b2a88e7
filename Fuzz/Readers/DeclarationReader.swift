internal import Declarations

@testable import API
@testable import Domain

private let shapes: [DeclaredKind: Shape] = [
    .org: DeclarableBodies.org, .group: DeclarableBodies.group, .profile: DeclarableBodies.profile,
    .thing: DeclarableBodies.thing, .member: DeclarableBodies.member, .topicRule: DeclarableBodies.topicRule,
    .webhook: DeclarableBodies.webhook, .source: DeclarableBodies.source,
]

extension Reader {
    /// A file that declares what is to be, in YAML.
    static let declaration = Reader("declaration", longest: 16 * 1024) { bytes in
        let text = Input(bytes).text
        // Of names the library compares all that aliases in them stand for: a file is its user's own, and takes the time it takes.
        guard text.utf8.count(where: { $0 == UInt8(ascii: "*") }) <= 8 else { return }
        let read: DeclarationText
        do throws(InvalidField) { read = try DeclarationText(text, isJSON: false) } catch { return }
        // As it is exported.
        let lines = YAMLText.lines(read.value)
        let written = lines.joined(separator: "\n")
        if written.utf8.count <= DeclarationText.longest {
            guard let again = try? DeclarationText(written, isJSON: false) else {
                fatalError("not true: what is written can be read")
            }
            expect(again.value == read.value, "it is the same again")
            expect(YAMLText.lines(again.value) == lines, "it is written in one way")
        }
        let breaks = text.unicodeScalars.count { [0x0A, 0x0D, 0x85, 0x2028, 0x2029].contains($0.value) }
        do throws(InvalidField) {
            let declared = try Declaration(read.value, shapes: shapes)
            let resources =
                declared.orgs + declared.groups.flatMap { $0.profiles + $0.things + $0.webhooks + $0.sources }
            for resource in resources {
                _ = try? resource.resolved { reference, _ throws(InvalidField) in "\(reference)" }
            }
        } catch {
            if let line = read.line(of: error.field) {
                expect((1...breaks + 1).contains(line), "a fault stands in a line of the file")
            }
        }
    }

    /// What the request of somebody says of how they reached us: five lines.
    static let reached = Reader("reached", longest: 4_096) { bytes in
        var input = Input(bytes)
        let authority = input.line()
        var headers: [String: String] = [:]
        for name in ["forwarded", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-prefix"] {
            let value = input.line()
            if !value.isEmpty { headers[name] = value }
        }
        let base = ReachedAddress(authority: authority) { headers[$0] }.base
        guard let scheme = ["http", "https"].first(where: { base.hasPrefix("\($0)://") }) else {
            fatalError("not true: it is of one of two schemes")
        }
        let rest = base.dropFirst(scheme.count + 3)
        let host = rest.prefix { $0 != "/" }
        let path = rest.dropFirst(host.count)
        expect((try? WebhookURL("\(scheme)://\(host)"))?.origin == "\(scheme)://\(host)", "it begins with an origin")
        expect(path.utf8.allSatisfy { $0.isUnreserved || $0 == UInt8(ascii: "/") }, "its path is plain")
        expect(path.utf8.count <= ReachedAddress.longestPrefix, "it is no longer than it may be")
        let segments = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        expect(segments.allSatisfy { !["", ".", ".."].contains($0) }, "its path leads nowhere else")
        let told = ["x-forwarded-proto": scheme, "x-forwarded-host": String(host), "x-forwarded-prefix": String(path)]
        expect(ReachedAddress(authority: nil) { told[$0] }.base == base, "it is told again as it is")
        let pairs = ReachedAddress.firstElement(of: headers["forwarded"] ?? "")
        expect(pairs.keys.allSatisfy { $0 == $0.lowercased() }, "names are in lower case")
    }
}
