import Glibc

/// libFuzzer's own loop: `main` is this one, so that one program has all parsers.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ argc: UnsafeMutablePointer<CInt>,
    _ argv: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

// Which parser is told by the environment, because all arguments are libFuzzer's.
let name = getenv("PARSER").map { String(cString: $0) } ?? ""
guard let parser = parsers[name] else {
    print("PARSER is one of: \(parsers.keys.sorted().joined(separator: " "))")
    exit(name == "list" ? 0 : 64)
}
chosen = parser
var (count, arguments) = (CommandLine.argc, CommandLine.unsafeArgv)
exit(
    runDriver(&count, &arguments) { bytes, count in
        chosen(Array(UnsafeBufferPointer(start: bytes, count: count)))
        return 0
    })
