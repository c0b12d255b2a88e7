/// What somebody may have meant who wrote a name that there is not.
package enum Spelling {
    /// The one of `names` that is nearest; nil if none is near.
    package static func nearest(to name: String, among names: some Sequence<String>) -> String? {
        let written = Array(name.lowercased().utf8.prefix(Self.longest))
        // As many slips as a name of that length may have and still be recognized.
        let most = max(1, written.count / 3)
        return
            names.map { (name: $0, slips: Self.slips(from: written, to: Array($0.lowercased().utf8))) }
            .filter { $0.slips <= most }
            .min { ($0.slips, $0.name) < ($1.slips, $1.name) }?.name
    }

    /// No name is longer.
    private static let longest = 64

    /// Characters left out, put in, exchanged for another or with the next one: the optimal string alignment distance.
    private static func slips(from a: [UInt8], to b: [UInt8]) -> Int {
        var rows = [Array(0...b.count)]
        for (i, character) in a.enumerated() {
            var row = [i + 1]
            for (j, other) in b.enumerated() {
                var least = min(rows[i][j + 1], row[j]) + 1
                least = min(least, rows[i][j] + (character == other ? 0 : 1))
                if i > 0, j > 0, character == b[j - 1], a[i - 1] == other { least = min(least, rows[i - 1][j - 1] + 1) }
                row.append(least)
            }
            rows.append(row)
        }
        return rows[a.count][b.count]
    }
}
