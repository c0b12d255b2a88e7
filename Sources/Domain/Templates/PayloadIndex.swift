package import Values

/// Paths that are asked for again and again, put together so that one walk over a payload finds them all.
package struct PathSet: Sendable {
    struct Node: Sendable {
        let parent: Int
        var members: [ArraySlice<UInt8>: Int] = [:]
        var elements: [Int: Int] = [:]

        var isLeaf: Bool { self.members.isEmpty && self.elements.isEmpty }
    }

    /// The first is the value itself; every other comes behind its parent.
    private(set) var nodes = [Node(parent: 0)]
    private(set) var numbers: [JSONPath: Int] = [:]

    /// - Parameter most: nodes. They take memory, and time of every walk: paths that would make it more are left out, the
    ///   first come first.
    package init(_ paths: some Sequence<JSONPath> = [], most: Int = .max) {
        for path in paths where self.numbers[path] == nil && path.steps.count <= most - self.nodes.count {
            self.numbers[path] = path.steps.reduce(0) { self.child(of: $0, $1) }
        }
    }

    package var isEmpty: Bool { self.numbers.isEmpty }

    private mutating func child(of node: Int, _ step: JSONPath.Step) -> Int {
        let next = self.nodes.count
        switch step {
        case .member(let name):
            if let known = self.nodes[node].members[name[...]] { return known }
            self.nodes[node].members[name[...]] = next
        case .element(let index):
            if let known = self.nodes[node].elements[index] { return known }
            self.nodes[node].elements[index] = next
        }
        self.nodes.append(Node(parent: node))
        return next
    }
}

/// A payload, or the view of one, gone over once, and where in it the values of a set of paths stand.
package struct PayloadIndex: Sendable {
    /// The whole of it; nil if it is no JSON.
    package let json: RawJSON?
    /// Why no JSON could be made of it; nil if none had to be.
    package let failure: UndecodedPayload?
    package let byteCount: Int
    /// Of the same message, for who asks of them too.
    package var properties: MessageProperties?
    private let paths: PathSet
    /// By the number of the node.
    private let found: [(kind: RawJSON.Kind, range: Range<Int>)?]

    /// What everything that reads a message's payload as JSON reads: its view, if its profile says what makes one.
    package init(of message: Message, paths: PathSet) {
        self.init(message.payload, by: message.decoder, received: message.id.time, paths: paths)
        self.properties = message.properties
    }

    /// - Parameters:
    ///   - decoder: nil if the payload is read as it is.
    ///   - received: when it came in.
    package init(_ payload: [UInt8], by decoder: PayloadDecoder?, received: Instant, paths: PathSet) {
        guard let decoder else {
            self.init(payload, paths: paths)
            return
        }
        do throws(UndecodedPayload) {
            self.init(try decoder.view(of: payload, received: received), paths: paths)
        } catch {
            self.init(error, byteCount: payload.count, paths: paths)
        }
    }

    private init(_ failure: UndecodedPayload, byteCount: Int, paths: PathSet) {
        self.failure = failure
        self.byteCount = byteCount
        self.paths = paths
        self.json = nil
        self.found = []
    }

    package init(_ payload: [UInt8], paths: PathSet) {
        self.failure = nil
        self.paths = paths
        self.byteCount = payload.count
        let text = RawJSON.textRange(of: payload)
        var walk = Walk(JSONScanner(payload, at: text.lowerBound, end: text.upperBound), nodes: paths.nodes)
        if walk.run(), let root = walk.found[0] {
            self.json = RawJSON(kind: root.kind, bytes: payload, range: root.range)
            self.found = walk.found
        } else {
            self.json = nil
            self.found = []
        }
    }

    /// nil if there is none, or no JSON.
    package func value(at path: JSONPath) -> RawJSON? {
        guard let node = self.node(of: path) else { return self.json?.value(at: path) }
        return self.value(at: node)
    }

    /// By which ``value(at:)`` finds what a path leads to; nil for a path that was not looked for.
    func node(of path: JSONPath) -> Int? { path.steps.isEmpty ? 0 : self.paths.numbers[path] }

    func value(at place: Int) -> RawJSON? {
        guard let json = self.json, let found = self.found[place] else { return nil }
        // Of several members of one name the last counts: what was found in another is not there.
        var (node, inner) = (place, found.range)
        while node != 0 {
            node = self.paths.nodes[node].parent
            guard let outer = self.found[node]?.range, outer.lowerBound <= inner.lowerBound,
                inner.upperBound <= outer.upperBound
            else { return nil }
            inner = outer
        }
        return RawJSON(kind: found.kind, bytes: json.bytes, range: found.range)
    }
}

extension PayloadIndex {
    /// One walk over a payload.
    private struct Walk {
        private var scanner: JSONScanner
        private let nodes: [PathSet.Node]
        var found: [(kind: RawJSON.Kind, range: Range<Int>)?]

        init(_ scanner: JSONScanner, nodes: [PathSet.Node]) {
            self.scanner = scanner
            self.nodes = nodes
            self.found = Array(repeating: nil, count: nodes.count)
        }

        /// - Returns: whether it is JSON.
        mutating func run() -> Bool {
            self.scanner.skipSpace()
            guard self.visit(0, depth: 0) else { return false }
            self.scanner.skipSpace()
            return self.scanner.position == self.scanner.end
        }

        private mutating func visit(_ node: Int, depth: Int) -> Bool {
            let start = self.scanner.position
            guard let kind = self.skip(node, depth) else { return false }
            self.found[node] = (kind, start..<self.scanner.position)
            return true
        }

        private mutating func skip(_ node: Int, _ depth: Int) -> RawJSON.Kind? {
            let (members, elements) = (self.nodes[node].members, self.nodes[node].elements)
            var scanner = self.scanner
            defer { self.scanner.position = scanner.position }
            switch scanner.current {
            case UInt8(ascii: "{")? where !members.isEmpty:
                let isWhole = scanner.skipMembers(depth) { scanner, name in
                    var name = scanner.bytes[name]
                    if name.contains(UInt8(ascii: "\\")) { name = JSONScanner.unescape(name).bytes[...] }
                    return self.skip(members[name], &scanner, depth + 1)
                }
                return isWhole ? .object : nil
            case UInt8(ascii: "[")? where !elements.isEmpty:
                let isWhole = scanner.skipElements(depth) { scanner, index in
                    self.skip(elements[index], &scanner, depth + 1)
                }
                return isWhole ? .array : nil
            default: return scanner.skipValue(depth: depth)
            }
        }

        private mutating func skip(_ node: Int?, _ scanner: inout JSONScanner, _ depth: Int) -> Bool {
            guard let node else { return scanner.skipValue(depth: depth) != nil }
            self.scanner.position = scanner.position
            defer { scanner.position = self.scanner.position }
            return self.visit(node, depth: depth)
        }
    }
}
