internal import Glibc
internal import LocalServices

/// What processes have used, from `/proc` (proc(5)).
struct Usage {
    /// Seconds of CPU, of the process and the children it has waited for.
    static func cpu(of pid: Int32) -> Double {
        Self.fields(of: pid).map { fields in Self.seconds(fields[11...14]) } ?? 0
    }

    /// As ``cpu(of:)``, with the children that are alive.
    static func cpuOfFamily(_ pid: Int32) -> Double {
        let children = Files.read("/proc/\(pid)/task/\(pid)/children")?.split(separator: " ").compactMap { Int32($0) }
        return Self.cpu(of: pid) + (children ?? []).reduce(0) { $0 + Self.cpu(of: $1) }
    }

    /// MiB: now, and at the most so far.
    static func memory(of pid: Int32) -> (now: Double, peak: Double) {
        let status = Files.read("/proc/\(pid)/status") ?? ""
        func value(_ name: String) -> Double {
            let line = status.split(separator: "\n").first { $0.hasPrefix(name) }
            return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Double($0) } ?? 0
        }
        return (value("VmRSS:") / 1_024, value("VmHWM:") / 1_024)
    }

    /// What comes after the name, which may hold spaces itself.
    private static func fields(of pid: Int32) -> [Substring]? {
        let text = Files.read("/proc/\(pid)/stat")
        return text?.split(separator: ")").last?.split(separator: " ")
    }

    private static func seconds(_ ticks: ArraySlice<Substring>) -> Double {
        ticks.reduce(0) { $0 + (Double($1) ?? 0) } / Double(sysconf(Int32(_SC_CLK_TCK)))
    }
}
