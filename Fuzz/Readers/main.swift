internal import Glibc

/// libFuzzer's own loop: `main` is this one, so that one program has all readers.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

guard Reader.chosen != nil else {
    print(Reader.all.map(\.name).joined(separator: "\n"))
    exit(getenv("READER") == nil ? 0 : 64)
}
var (count, arguments) = (CommandLine.argc, CommandLine.unsafeArgv)
exit(
    runDriver(&count, &arguments) { bytes, count in
        Reader.chosen?.run(Array(UnsafeBufferPointer(start: bytes, count: count)))
        return 0
    })
