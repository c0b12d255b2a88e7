internal import Values

/// A metric whose labels take values that are known only while the program runs.
package struct MetricFamily: Sendable {
    package enum Kind: String, Sendable { case counter, gauge, summary }

    package struct Sample: Sendable {
        /// After the family's name, such as `_sum`.
        let suffix: String
        let labelValues: [String]
        let value: Double

        /// - Parameter labelValues: as many as the family has labels.
        package init(_ value: Double, _ labelValues: [String] = [], suffix: String = "") {
            self.suffix = suffix
            self.labelValues = labelValues
            self.value = value
        }
    }

    let name: String
    let help: String
    let kind: Kind
    let labels: [String]
    let samples: [Sample]

    package init(_ kind: Kind, _ name: String, _ help: String, labels: [String] = [], _ samples: [Sample]) {
        self.kind = kind
        self.name = name
        self.help = help
        self.labels = labels
        self.samples = samples
    }

    /// The Prometheus text format, version 0.0.4.
    var text: String {
        var text = "# HELP \(self.name) \(self.help)\n# TYPE \(self.name) \(self.kind.rawValue)\n"
        for sample in self.samples {
            let labels = zip(self.labels, sample.labelValues).map { "\($0)=\"\(Self.escaped($1))\"" }
            text += self.name + sample.suffix
            if !labels.isEmpty { text += "{\(labels.joined(separator: ","))}" }
            text += " \(Int64(exactly: sample.value).map { "\($0)" } ?? "\(sample.value)")\n"
        }
        return text
    }

    private static func escaped(_ value: String) -> String {
        value.escaping { scalar in
            switch scalar {
            case "\\": "\\\\"
            case "\"": "\\\""
            case "\n": "\\n"
            default: nil
            }
        }
    }
}
