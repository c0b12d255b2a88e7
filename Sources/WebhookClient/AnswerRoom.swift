internal import Domain

/// Bytes of answers that have not come to their end. One is small, and they are as many as connections: receivers that begin their
/// answers and do not go on could fill the memory.
///
/// Each owner may have as much as is left to the others (the dynamic thresholds of Choudhury and Hahne, 1998): whoever takes all that
/// they can get has half of it, and the next finds room.
struct AnswerRoom {
    let most: Int
    private(set) var held = 0
    private var each: [EntityID?: Int] = [:]

    init(most: Int) {
        self.most = most
    }

    /// - Parameter bytes: what has come more. They count in any case, until they are given back.
    mutating func take(_ bytes: Int, of owner: EntityID?) {
        self.held += bytes
        self.each[owner, default: 0] += bytes
    }

    /// Whether this owner has more than there is room for.
    func isExceeded(by owner: EntityID?) -> Bool {
        self.each[owner, default: 0] > self.most - self.held
    }

    mutating func give(_ bytes: Int, of owner: EntityID?) {
        self.held -= bytes
        let rest = self.each[owner, default: 0] - bytes
        self.each[owner] = rest > 0 ? rest : nil
    }
}
