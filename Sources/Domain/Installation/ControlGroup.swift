/// The limits of the group of processes that this one is in (cgroups(7)).
package enum ControlGroup {
    /// A first version's number for no limit: the largest that is whole pages.
    private static let unlimited = Int64.max / 4_096 * 4_096

    /// The least memory that a group above this process may have, in bytes; nil if none says.
    ///
    /// - Parameter readingFile: nil where there is no such file.
    package static func memory(readingFile: (String) -> String?) -> Int64? {
        var limits: [Int64] = []
        for line in (readingFile("/proc/self/cgroup") ?? "").split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let isSecond = parts[0] == "0" && parts[1].isEmpty
            guard isSecond || parts[1].split(separator: ",").contains("memory") else { continue }
            let root = isSecond ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory"
            let file = isSecond ? "memory.max" : "memory.limit_in_bytes"
            // In a container the path may be the host's, and the limit then stands at the top.
            var path = parts[2][...]
            while true {
                let folder = path == "/" ? "" : path
                if let text = readingFile("\(root)\(folder)/\(file)"),
                    let limit = Int64(text.filter { !$0.isWhitespace }), limit < Self.unlimited
                {
                    limits.append(limit)
                }
                guard let slash = folder.lastIndex(of: "/") else { break }
                path = folder[..<slash]
            }
        }
        return limits.min()
    }
}
