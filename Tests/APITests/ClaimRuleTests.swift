import Domain
import TestSupport
import Testing

@testable import API

private let one = "00000000-0000-4000-8000-000000000001"
private let two = "00000000-0000-4000-8000-000000000002"

@Suite("What claims give")
struct ClaimRuleTests {
    private func claims(_ json: String) throws -> Claims {
        guard case .object(let fields) = try JSON.decode(json) else { throw InvalidField("json", "no object") }
        return Claims(fields: fields)
    }

    @Test(
        "is root for the value that is named alone, of a claim, of one inside another, or of a list",
        arguments: [
            ("root=true", #"{"root":true}"#, true), ("root=true", #"{"root":"true"}"#, true),
            ("root=true", #"{"root":1}"#, false), ("root=true", #"{"root":false}"#, false),
            ("root=1", #"{"root":1}"#, true),
            ("groups=/admins", #"{"groups":["/users","/admins"]}"#, true),
            ("groups=/admins", #"{"groups":["/admins/of-nothing"]}"#, false),
            ("groups=admins", #"{"groups":{"admins":true}}"#, false),
            ("realm_access.roles=root", #"{"realm_access":{"roles":["root"]}}"#, true),
            ("realm_access.roles=root", #"{"realm_access":["root"]}"#, false),
            ("https://hooks.example/roles=root", #"{"https://hooks.example/roles":["root"]}"#, true),
            ("groups=cn=root,dc=example", #"{"groups":["cn=root,dc=example"]}"#, true),
            // The same to Swift, and not to who has given one of the names to somebody.
            ("groups=caf\u{E9}", #"{"groups":["caf\u00e9"]}"#, true),
            ("groups=caf\u{E9}", #"{"groups":["cafe\u0301"]}"#, false),
            ("groups=K", #"{"groups":["\u212A"]}"#, false),
            ("groups=root", "{}", false), ("groups=null", #"{"groups":null}"#, false),
        ])
    func root(rule: String, json: String, holds: Bool) throws {
        #expect(try #require(RootClaim(rule)).holds(in: try self.claims(json)) == holds)
    }

    @Test("needs a claim and a value", arguments: ["", "root", "root=", "=true"])
    func noRoot(rule: String) {
        #expect(RootClaim(rule) == nil)
    }

    @Test(
        "is the highest role in each group that a table or the values themselves name",
        arguments: [
            (#"["operators"]"#, [one: .editor, two: .viewer]), (#""operators""#, [one: .editor, two: .viewer]),
            (#"["operators","hookline:\#(one):owner"]"#, [one: .owner, two: .viewer]),
            (#"["/hookline/\#(two)/admin","hookline:\#(two):viewer"]"#, [two: .admin]),
            (#"["cn=ops,dc=x"]"#, [one: .admin]), (#"["caf\u00e9"]"#, [two: .owner]), (#"["cafe\u0301"]"#, [:]),
            // What it does not know, and what only looks like it.
            (#"["others","hookline:\#(one):root","hookline:x:owner","hookline:\#(one):owner:x"]"#, [:]),
            (#"["/x/hookline/\#(one)/owner","hookline/\#(one)/owner","Hookline:\#(one):owner",7,null]"#, [:]),
            ("7", [:]), ("{}", [:]), ("null", [:]),
        ] as [(String, [String: Role])])
    func roles(groups: String, expected: [String: Role]) throws {
        let rule = try RoleClaim(
            claim: "groups",
            table: "operators=\(one):editor; operators=\(two):viewer;\ncn=ops,dc=x=\(one):admin;caf\u{E9}=\(two):owner")
        let found = rule.grants(in: try self.claims(#"{"groups":\#(groups)}"#))
        #expect(Dictionary(uniqueKeysWithValues: found.map { ($0.key.description, $0.value) }) == expected)
    }

    @Test(
        "is said in a table whose entries all say something",
        arguments: ["operators", "operators=x:editor", "=\(one):editor", "operators=\(one):boss", "a=\(one)"])
    func wrongTable(table: String) {
        #expect(throws: InvalidField.self) { try RoleClaim(claim: "groups", table: table) }
    }

    @Test(
        "comes by keys for signatures alone, each for its own algorithm, and by no endless ones",
        arguments: [
            (#"{"kty":"oct","k":"c2VjcmV0","kid":"a"}"#, nil, 0),
            (#"{"kty":"EC","crv":"P-256","use":"enc","kid":"a","x":"AA","y":"AA"}"#, nil, 0),
            (#"{"kty":"EC","crv":"P-256","key_ops":["sign"],"kid":"a","x":"AA","y":"AA"}"#, nil, 0),
            (#"{"kty":"EC","crv":"P-256","kid":"a","x":"AA","y":"AA"}"#, nil, 1),
            (#"{"kty":"EC","crv":"secp256k1","kid":"a","x":"AA","y":"AA"}"#, nil, 1),
            (#"{"kty":"RSA","kid":"a","n":"\#(String(repeating: "_", count: 1_367))","e":"AQAB"}"#, nil, 1),
            (#"{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"}"#, nil, 1),
            (#"{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#, "EdDSA", 0),
            (
                #"{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
                "Ed25519", 0
            ),
            (Issuer("a").jwk, "ES256", 0), (Issuer("a").key(more: ""), "ES256", 0),
            (Issuer("a").key(more: #","alg":"ES384""#), nil, 1), (Issuer("a").key(more: #","alg":"RS256""#), nil, 1),
            ("7", nil, 0),
        ] as [(String, String?, Int)])
    func keys(key: String, algorithm: String?, unusable: Int) async throws {
        let set = Issuer.set(Issuer("good").jwk, key)
        let keys = try await VerificationKeys(reading: Array(set.utf8))
        #expect(keys.unusable.count == unusable, "\(keys.unusable)")
        #expect(keys.count == (algorithm == nil ? 1 : 2))
        if let algorithm { #expect(keys.candidates("a", algorithm).count == 1) }
        #expect(keys.candidates("a", "HS256").isEmpty && keys.candidates("a", "none").isEmpty)
    }

    @Test(
        "needs a list of keys, of which one can be used",
        arguments: [
            "", "[]", "{}", #"{"keys":{}}"#, #"{"keys":[]}"#, #"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#,
            #"{"keys":[\#(Array(repeating: "1", count: 101).joined(separator: ","))]}"#,
        ])
    func noKeys(json: String) async {
        await #expect(throws: VerificationKeys.Unreadable.self) {
            try await VerificationKeys(reading: Array(json.utf8))
        }
    }
}
