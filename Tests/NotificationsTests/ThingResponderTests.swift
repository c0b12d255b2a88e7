import Domain
import Testing

@testable import Notifications

@Suite("Answers that a thing is not told")
struct ThingResponderTests {
    private static func response(
        _ format: ThingAnswer.Format, body: [UInt8] = [1, 2, 3], fault: AnswerMeaning.BodyFault? = nil,
        subtopic: String = "a"
    ) -> ThingResponse {
        ThingResponse(
            thing: .random(), in: .random(), subtopic: subtopic, webhook: .random(),
            delivery: DeliveryID(message: MessageID(rawValue: 1), webhook: WebhookKey(rawValue: 1)), status: 200,
            error: nil, body: body, fault: fault, hasSucceeded: true,
            as: ThingAnswer(topic: "{subtopic}", format: format), largest: 3)
    }

    @Test(
        "are those that its bytes alone would say wrongly, each with the reason",
        arguments: [
            (Self.response(.raw), nil), (Self.response(.raw, fault: .packed("utf-8")), nil),
            (Self.response(.json, fault: .packed("br")), nil), (Self.response(.json, fault: .brokeOff), nil),
            (Self.response(.json, body: [1, 2, 3, 4]), nil),
            (Self.response(.raw, body: [1, 2, 3, 4]), "it is longer than RESPOND_LARGEST_BODY"),
            (
                Self.response(.raw, fault: .packed("br")),
                "it is sent with content-encoding br, which cannot be unpacked"
            ),
            (
                Self.response(.raw, fault: .packed("utf-8, zstd")),
                "it is sent with content-encoding utf-8, zstd, which cannot be unpacked"
            ),
            (Self.response(.raw, fault: .brokeOff), "the answer broke off before its end"),
            (Self.response(.json, subtopic: "+"), "its subtopic makes no topic to publish on"),
        ] as [(ThingResponse, String?)])
    func untold(response: ThingResponse, reason: String?) {
        #expect(ThingResponder.refusal(of: response) == reason)
    }
}
