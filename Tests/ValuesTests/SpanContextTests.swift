import Testing
import Values

private let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
private let unsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"

@Suite("A traceparent")
struct SpanContextTests {
    @Test("is read and written as it was")
    func roundTrip() throws {
        for text in [parent, unsampled, "00-00000000000000000000000000000001-0000000000000001-01"] {
            #expect(try #require(SpanContext(text)).traceparent == text)
        }
        let context = try #require(SpanContext(parent))
        #expect(context.traceText == "4bf92f3577b34da6a3ce929d0e0e4736")
        #expect(context.spanText == "00f067aa0ba902b7")
        #expect(context.traceHigh == 0x4BF9_2F35_77B3_4DA6)
        #expect(context.isSampled)
    }

    @Test(
        "of a later version, or with flags that nobody knows yet, says what this version knows",
        arguments: [
            ("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03", true),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02", false),
        ])
    func later(text: String, isSampled: Bool) throws {
        #expect(try #require(SpanContext(text)).isSampled == isSampled)
    }

    @Test(
        "that is none is not read",
        arguments: [
            "", "x", "00", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n",
            "00-4bf92f3577b34da6a3ce929d0e0e4736000f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e47-6-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e47é-00f067aa0ba902b7-01",
        ])
    func refused(text: String) {
        #expect(SpanContext(text) == nil)
        #expect(SpanContext.checked(text) == nil)
    }

    @Test("is passed on as it is", arguments: [parent, unsampled, "01" + parent.dropFirst(2), parent.dropLast() + "3"])
    func passedOn(text: String) {
        #expect(SpanContext.checked(text) == text)
        #expect(SpanContext.checked(nil) == nil)
    }
}
