internal import Domain
internal import Values

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// Where a page ended, so that the next goes on behind it whatever has come and gone meanwhile.
package struct PageCursor: Sendable, Equatable {
    /// What the list is ordered by, and how: a cursor of another order says nothing about this one.
    package let order: String
    /// How many rows came before.
    package let position: Int64
    /// What the last row is ordered by, from the first column to the one that tells it from all others; nil for NULL.
    package let key: [String?]
    /// Which list it is of, in so many letters and digits; nil if it does not say, as those of an earlier build.
    package let list: String?

    package init(order: String, position: Int64, key: [String?], list: String? = nil) {
        self.order = order
        self.position = position
        self.key = key
        self.list = list
    }

    /// A position that nobody reaches, and that numbers can be added to.
    private static let furthest: Int64 = 1 << 53
    private static let longest = 4_096
    /// No order's name has it.
    private static let listMark: Character = "@"

    /// The same, of this list.
    package func of(list: String?) -> PageCursor {
        PageCursor(order: self.order, position: self.position, key: self.key, list: list)
    }

    /// For callers to give back: nothing that they could rely on.
    package var text: String {
        get throws {
            // Where an earlier build has the order alone, so that it refuses what it would have to take on trust.
            let order = self.list.map { "\(self.order)\(Self.listMark)\($0)" } ?? self.order
            let fields = [order, String(self.position)] + self.key
            return Base64.encode(try JSONEncoder().encode(fields))
                .replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
        }
    }

    /// nil if it was not made here.
    package init?(text: String) {
        guard text.utf8.count <= Self.longest,
            let bytes = Base64.decode(text.replacing("-", with: "+").replacing("_", with: "/")),
            let fields = try? JSONDecoder().decode([String?].self, from: Data(bytes)), fields.count > 2,
            let order = fields[0], let position = fields[1].flatMap({ Int64($0) }),
            (0...Self.furthest).contains(position)
        else { return nil }
        let mark = order.firstIndex(of: Self.listMark)
        self.init(
            order: String(order[..<(mark ?? order.endIndex)]), position: position, key: Array(fields[2...]),
            list: mark.map { String(order[order.index(after: $0)...]) })
    }

    /// What a column of a key is, where all of them are numbers.
    package enum KeyPart: Sendable {
        /// An id, a place or a count: none is below 0.
        case number
        /// As a log has them; an end's is -1.
        case kind
        /// In microseconds since 1970.
        case time

        fileprivate func takes(_ number: Int64) -> Bool {
            switch self {
            case .number: number >= 0
            case .kind: (-1...Int64(Int16.max)).contains(number)
            case .time: Instant(microseconds: number) != nil
            }
        }
    }

    /// The key as these; nil if it is something else.
    package func numbers(_ parts: [KeyPart]) -> [Int64]? {
        guard self.key.count == parts.count else { return nil }
        var numbers: [Int64] = []
        for (part, text) in zip(parts, self.key) {
            guard let number = text.flatMap({ Int64($0) }), part.takes(number) else { return nil }
            numbers.append(number)
        }
        return numbers
    }
}

/// Where in a list a page begins: behind so many rows, or behind a certain one.
package struct PageStart: Sendable {
    package private(set) var offset: Int64 = 0
    package private(set) var cursor: PageCursor?
    /// Which list it is of, as in ``PageCursor/list``, for the cursor of the page behind.
    package var list: String?

    package init(offset: Int64 = 0) {
        self.offset = offset
    }

    package init(_ cursor: PageCursor) {
        self.cursor = cursor
    }

    /// How many rows came before.
    package var position: Int64 { self.cursor?.position ?? self.offset }
}

/// A part of a list, and how it goes on.
package struct Page<Item: Sendable>: Sendable {
    /// How many there are, of all pages; at least so many if it is capped.
    package let total: Int64
    /// Whether there are more than ``total``: beyond ``mostCounted`` nobody counts.
    package let isCapped: Bool
    package let items: [Item]
    /// Where the next page begins; nil if this is the last.
    package let next: PageCursor?

    /// More than anybody goes through page by page. To know that there are more costs as many index entries.
    package static var mostCounted: Int64 { 10_000 }

    package init(total: Int64, isCapped: Bool = false, items: [Item], next: PageCursor? = nil) {
        self.total = total
        self.isCapped = isCapped
        self.items = items
        self.next = next
    }

    /// - Parameters:
    ///   - found: the page's rows, each with what it is ordered by, and one more if there is one.
    ///   - isCut: whether there are more than were found, as these are large enough.
    ///   - start: where the page begins.
    ///   - order: as in ``PageCursor/order``.
    ///   - count: counts all there are, up to a number that it is told. Asked only if the page does not show it.
    package init(
        _ found: [(item: Item, key: [String?])], isCut: Bool = false, from start: PageStart, limit: Int64,
        order: String, count: (_ most: Int64) throws -> Int64
    ) rethrows {
        let shown = found.prefix(Int(limit))
        let end = start.position + Int64(shown.count)
        var next: PageCursor?
        if isCut || found.count > shown.count, let last = shown.last {
            next = PageCursor(order: order, position: end, key: last.key)
        }
        let total: (count: Int64, isCapped: Bool)
        if next == nil, start.position == 0 || !shown.isEmpty {
            total = (end, false)
        } else if next != nil, end >= Self.mostCounted {
            // One more than came so far: who pages by offset goes on as long as there is one.
            total = (end + 1, true)
        } else {
            let counted = try count(Self.mostCounted + 1)
            let least = next == nil ? 0 : end + 1
            total = (max(least, min(counted, Self.mostCounted)), counted > Self.mostCounted)
        }
        self.init(total: total.count, isCapped: total.isCapped, items: shown.map(\.item), next: next)
    }

    /// The page of a look that goes no further than so many rows, of which some are what is asked for: it may have fewer than it
    /// could, even none, and go on all the same.
    ///
    /// - Parameters:
    ///   - shown: the page's rows, each with what it is ordered by.
    ///   - hasMore: whether one more was found.
    ///   - end: what the last row that was looked at is ordered by, if there may be more behind it.
    ///   - start: where the page begins.
    ///   - order: as in ``PageCursor/order``.
    ///   - counted: how many there are among the first rows of the whole list, and whether there are more rows than those; nil if
    ///     the page says it, or nobody counted.
    package init(
        _ shown: ArraySlice<(item: Item, key: [String?])>, hasMore: Bool, end: [String?]?, from start: PageStart,
        order: String, counted: (count: Int64, isCapped: Bool)?
    ) {
        let position = start.position + Int64(shown.count)
        let next = (hasMore ? shown.last?.key : end).map { PageCursor(order: order, position: position, key: $0) }
        // How many an offset has passed over is not known, if there are none behind them.
        let isReached = start.cursor != nil || start.offset == 0 || !shown.isEmpty
        let total: (count: Int64, isCapped: Bool)
        if next == nil, isReached {
            total = (position, false)
        } else {
            let least = hasMore ? position + 1 : isReached ? position : 0
            total = (
                max(least, min(counted?.count ?? 0, Self.mostCounted)),
                counted.map { $0.isCapped || $0.count > Self.mostCounted } ?? true
            )
        }
        self.init(total: total.count, isCapped: total.isCapped, items: shown.map(\.item), next: next)
    }
}
