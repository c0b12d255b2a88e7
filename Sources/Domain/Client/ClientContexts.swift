/// The installations that somebody asks, each under a name. Keys stay in files of their own.
package struct ClientContexts: Sendable, Equatable {
    package struct Place: Sendable, Equatable {
        /// Of the API, without a `/` at its end.
        package var url: String
        package var keyFile: String

        package init(url: String, keyFile: String) {
            self.url = url
            self.keyFile = keyFile
        }
    }

    /// The one that is asked if none is named.
    package var current: String?
    package var places: [String: Place] = [:]

    package init() {}

    /// `{"current":"x","contexts":{"x":{"url":"…","key_file":"…"}}}`.
    package init(reading bytes: [UInt8]) throws(InvalidField) {
        let object = try JSONObject(try JSONValue(reading: bytes), at: "")
        self.current = try object.string("current")
        guard let contexts = try object.object("contexts") else { return }
        for name in contexts.fields.keys {
            guard let place = try contexts.object(name) else { continue }
            guard let url = try place.string("url"), let keyFile = try place.string("key_file") else {
                throw InvalidField(contexts.name(name), "must have url and key_file")
            }
            self.places[name] = Place(url: url, keyFile: keyFile)
        }
    }

    /// As it is read, and ends with a line break.
    package var text: String {
        let contexts = self.places.mapValues { place in
            JSONValue.object(["url": .string(place.url), "key_file": .string(place.keyFile)])
        }
        var fields: JSONFields = ["contexts": .object(JSONFields(contexts))]
        if let current { fields["current"] = .string(current) }
        return JSONValue.object(fields).text + "\n"
    }

    /// - Parameter name: nil for the current one.
    package func place(_ name: String?) throws(ClientProblem) -> Place {
        let names = self.places.keys.sorted().joined(separator: ", ")
        guard let name = name ?? self.current else {
            throw ClientProblem(
                names.isEmpty
                    ? "no context is set: hookline context set NAME --url URL --key-file FILE"
                    : "no context is used: hookline context use NAME; there are: \(names)")
        }
        guard let place = self.places[name] else {
            throw ClientProblem("there is no context \"\(name)\"; there are: \(names.isEmpty ? "none" : names)")
        }
        return place
    }

    /// Forgets one. If it was the one that is used, none is from then on: another would be asked by mistake.
    package mutating func remove(_ name: String) throws(ClientProblem) {
        _ = try self.place(name)
        self.places[name] = nil
        if self.current == name { self.current = nil }
    }
}
