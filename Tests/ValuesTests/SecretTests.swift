import Testing
import Values

@Suite("A secret")
struct SecretTests {
    private struct Configuration {
        var name = "shown"
        var password: Secret? = Secret("s3cret")
        var keys = ["a": [Secret("s3cret")]]
    }

    @Test("shows nothing of itself, however it is printed, and whatever it is part of")
    func hidden() {
        let secret = Secret("s3cret")
        var dumped = ""
        dump(secret, to: &dumped)
        dump(Configuration(), to: &dumped)
        let texts = [
            "\(secret)", String(reflecting: secret), secret.debugDescription, dumped, "\(Configuration())",
            String(reflecting: Configuration()), "\(Mirror(reflecting: secret).children.map { "\($0)" })",
        ]
        for text in texts { #expect(!text.contains("s3cret"), "\(text)") }
        #expect("\(Configuration())".contains("shown") && "\(Configuration())".contains("(hidden)"))
        #expect(secret.reveal() == "s3cret")
    }

    @Test("is equal to the same one alone")
    func equality() {
        for (other, isSame) in [("s3cret", true), ("s3creT", false), ("s3cre", false), ("s3cret1", false), ("", false)]
        {
            #expect((Secret("s3cret") == Secret(other)) == isSame, "\(other)")
        }
    }
}
