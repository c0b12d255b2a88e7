internal import Glibc

/// What the system knows of this process, under the names that Prometheus' own libraries use.
package enum ProcessMetrics {
    /// Reads a few files of /proc; what cannot be read is left out.
    package static func read() -> [MetricFamily] {
        var families: [MetricFamily] = []
        func add(_ kind: MetricFamily.Kind, _ name: String, _ help: String, _ value: Double?) {
            if let value { families.append(MetricFamily(kind, name, help, [.init(value)])) }
        }
        let memory = Self.fields(of: "/proc/self/statm")
        let pageSize = Double(sysconf(Int32(_SC_PAGESIZE)))
        add(.counter, "process_cpu_seconds_total", "CPU time, the kernel's for it included.", Self.cpuSeconds)
        add(.gauge, "process_resident_memory_bytes", "Memory in use.", memory.dropFirst().first.map { $0 * pageSize })
        add(.gauge, "process_virtual_memory_bytes", "Addresses in use.", memory.first.map { $0 * pageSize })
        add(.gauge, "process_open_fds", "Open descriptors.", Self.openDescriptors)
        add(.gauge, "process_max_fds", "Descriptors that may be open.", Self.mostDescriptors)
        add(.gauge, "process_start_time_seconds", "When it was started, since 1970.", Self.start)
        return families
    }

    private static var cpuSeconds: Double? {
        var usage = rusage()
        guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return nil }
        return [usage.ru_utime, usage.ru_stime].reduce(0) { $0 + Double($1.tv_sec) + Double($1.tv_usec) / 1_000_000 }
    }

    private static var mostDescriptors: Double? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return nil }
        return Double(limit.rlim_cur)
    }

    private static var openDescriptors: Double? {
        guard let folder = opendir("/proc/self/fd") else { return nil }
        defer { closedir(folder) }
        // Itself and its parent are listed too, and the descriptor that lists.
        var count = -3
        while readdir(folder) != nil { count += 1 }
        return Double(count)
    }

    /// Field 22 of proc(5)'s stat, in ticks since the machine was started; the name before it may hold anything.
    private static var start: Double? {
        guard let stat = Self.text(of: "/proc/self/stat"), let end = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        let boot = Self.text(of: "/proc/stat")?.split(separator: "\n").first { $0.hasPrefix("btime ") }
        guard fields.count > 19, let ticks = Double(fields[19]), let boot, let booted = Double(boot.dropFirst(6)) else {
            return nil
        }
        return booted + ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    private static func fields(of path: String) -> [Double] {
        (Self.text(of: path) ?? "").split(separator: " ").compactMap { Double($0) }
    }

    private static func text(of path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = part.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { return count == 0 ? String(decoding: bytes, as: UTF8.self) : nil }
            bytes += part[..<count]
        }
    }
}
