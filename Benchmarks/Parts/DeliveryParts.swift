internal import Delivery
internal import Domain
internal import NIOCore
internal import Queue
internal import Registry
internal import Values

extension Part {
    static let delivery = [
        Part(name: "lane-100", text: "a hundred deliveries of ten things go through a lane's queue") {
            let sample = try Sample()
            var numbers = Numbers()
            let things = (0..<10).map { _ in EntityID(using: &numbers) }
            let deliveries = (0..<100).map { sample.delivery($0, thing: things[$0 % 10]) }
            return {
                for _ in 0..<$0 {
                    var queue = LaneQueue()
                    for delivery in deliveries { use(queue.append(delivery, inOrder: false)) }
                    while let first = queue.first {
                        queue.removeFirst()
                        queue.advance(first.message.thing)
                    }
                    use(queue.count)
                }
            }
        },
        Part(name: "template", text: "a JSON body of three values, from a payload of 256 bytes") {
            let sample = try Sample()
            let template = try Template(
                #"{"t":{payload.t},"of":"{thing_id}","at":{received_at}}"#, kind: .json)
            let message = sample.message(0, payload: Sample.json)
            return { for _ in 0..<$0 { use(try template.render(TemplateValues(message, org: nil))) } }
        },
        Part(name: "signature", text: "256 bytes are signed") {
            let sample = try Sample()
            let signer = RequestSigner(sample.keys)
            let (id, payload) = (sample.delivery(0).id.text, sample.message(0).payload)
            return { for index in 0..<$0 { use(signer.header(id: id, timestamp: Int64(index), body: payload)) } }
        },
        Part(name: "request", text: "a request of 256 bytes is put together and signed") {
            let sample = try Sample()
            let delivery = sample.delivery(0)
            var buffer = ByteBuffer()
            return {
                for index in 0..<$0 {
                    buffer.clear()
                    buffer.writeRequest(of: delivery, by: sample.requests, at: Instant(clampingSeconds: Double(index)))
                    use(buffer.readableBytes)
                }
            }
        },
        Part(name: "batch-100", text: "a hundred deliveries form batches and are marked as done") {
            let sample = try Sample()
            let deliveries = (0..<100).map { sample.delivery($0) }
            let done = deliveries.map(\.message.id)
            return {
                for _ in 0..<$0 {
                    var batched = deliveries
                    batched.formBatches()
                    use(batched[0].batch?.marks(adding: done).remaining)
                }
            }
        },
    ]
}
