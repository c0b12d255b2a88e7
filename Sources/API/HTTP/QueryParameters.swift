internal import Domain
internal import Hummingbird

extension Request {
    /// Of what cannot be taken back a parameter is meant to bound it: one with another name, or two, would not.
    ///
    /// - Throws: what the caller is told if the query has others than these, or one twice.
    func refuseParameters(otherThan names: [String]) throws(InvalidField) {
        var seen: Set<String> = []
        for (name, _) in self.uri.queryParameters where !name.isEmpty {
            let name = String(name)
            guard names.contains(name) else {
                throw InvalidField(name, "is no parameter that there is: there are \(names.joined(separator: ", "))")
            }
            guard seen.insert(name).inserted else { throw InvalidField(name, "is given twice") }
        }
    }
}
