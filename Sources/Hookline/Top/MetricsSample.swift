/// What `/metrics` said at one time, added up over the instances that were asked.
struct MetricsSample: Sendable {
    /// By name, labels included as they are written.
    private var values: [String: Double] = [:]

    init() {}

    /// Adds the Prometheus text format, version 0.0.4.
    mutating func add(_ text: some StringProtocol) {
        for line in text.split(whereSeparator: \.isNewline) where line.first != "#" {
            guard let space = line.lastIndex(of: " "), let value = Double(line[line.index(after: space)...]) else {
                continue
            }
            self.values[String(line[..<space]), default: 0] += value
        }
    }

    subscript(name: String) -> Double { self.values["hookline_\(name)"] ?? 0 }

    /// The values of a name by its only label.
    func labelled(_ name: String) -> [String: Double] {
        let prefix = "hookline_\(name){"
        let pairs = self.values.filter { $0.key.hasPrefix(prefix) }.map { key, value in
            (String(key.dropFirst(prefix.count).drop { $0 != "\"" }.dropFirst().prefix { $0 != "\"" }), value)
        }
        return Dictionary(pairs) { $0 + $1 }
    }

    /// The time in seconds within which this part of what was measured since `earlier` lies: the upper bound of its bucket.
    /// nil if nothing was.
    func quantile(_ part: Double, of histogram: String, since earlier: MetricsSample) -> Double? {
        let before = earlier.labelled("\(histogram)_bucket")
        let buckets = self.labelled("\(histogram)_bucket").compactMap { bound, count in
            Double(bound == "+Inf" ? "inf" : bound).map { (bound: $0, count: count - (before[bound] ?? 0)) }
        }.sorted { $0.bound < $1.bound }
        guard let total = buckets.last?.count, total > 0 else { return nil }
        return buckets.first { $0.count >= part * total }?.bound
    }
}
