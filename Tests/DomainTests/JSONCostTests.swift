import Domain
import Testing

/// Nothing here asserts a time: twice as much must take about twice as long, and not four times.
@Suite("The cost of JSON", .serialized)
struct JSONCostTests {
    private static func nested(_ bytes: Int) -> String {
        let one = String(repeating: #"{"a":["#, count: 32) + String(repeating: "]}", count: 32)
        return "[\(Array(repeating: one, count: max(1, bytes / one.utf8.count)).joined(separator: ","))]"
    }

    private static let shapes: [(name: String, text: @Sendable (Int) -> String)] = [
        ("nested", { Self.nested($0) }),
        ("empty arrays", { "[\(Array(repeating: "[]", count: $0 / 3).joined(separator: ","))]" }),
        ("names", { "{\((0..<$0 / 12).map { "\"\($0 + 1_000_000)\":0" }.joined(separator: ","))}" }),
        ("the same name", { "{\(Array(repeating: "\"a\":0", count: $0 / 6).joined(separator: ","))}" }),
        ("escapes", { "\"\(String(repeating: #"\u0061"#, count: $0 / 6))\"" }),
        ("digits", { String(repeating: "7", count: $0) }),
        ("never closed", { String(repeating: "[", count: $0) }),
    ]

    /// The least of some times, which others on the same cores disturb the least.
    private static func cost(_ body: () -> Void) -> Duration {
        (0..<7).map { _ in ContinuousClock().measure(body) }.min() ?? .zero
    }

    @Test("grows with its length alone, whatever its shape: read, searched, compared, checked")
    func linear() throws {
        let conditions = ConditionSet(
            Conditions(rules: [
                .init(path: "", operator: .contains, value: "\"\(String(repeating: "a", count: 500))b\""),
                .init(path: "", operator: .eq, value: "1"), .init(path: "[0].a[0].a", operator: .exists),
                .init(path: "a", operator: .changed),
            ]))
        let options = (0..<2_000).map(String.init).joined(separator: ",")
        let schema = try JSONSchema(
            try #require(
                RawJSON(Array(#"{"items":{"enum":[\#(options)]},"additionalProperties":{"enum":[\#(options)]}}"#.utf8)))
        )
        for (name, text) in Self.shapes {
            let costs = [20_000, 80_000].map { size in
                let bytes = Array(text(size).utf8)
                return Self.cost {
                    var budget = EvaluationBudget(.max)
                    let index = PayloadIndex(bytes, paths: PathSet(conditions.paths))
                    _ = conditions.evaluate(index, budget: &budget)
                    _ = index.json.flatMap { schema.fault(in: $0) }
                }
            }
            // Four times as much; the square would take sixteen times as long.
            #expect(costs[1] < costs[0] * 10 + .milliseconds(2), "\(name): \(costs)")
        }
    }
}
