internal import Glibc

/// What `hookline dev` prints: lines that work as they stand.
struct DevGuide: Sendable {
    /// How it was called.
    let program: String
    let port: Int
    let postgresURL: String
    let mqttPort: Int
    let receiverPort: Int
    let token: String
    let demo: DemoData

    private var api: String { "http://127.0.0.1:\(self.port)" }

    var text: String {
        """

        Hookline is running. The API is at \(self.api), the broker at 127.0.0.1:\(self.mqttPort).
        The console, with the token filled in:

        \(self.api)/console/#token=\(self.token)

        In another terminal, first:

          export TOKEN=\(self.token)

        1. Register a webhook for the demo thing's group (the receiver at port \(self.receiverPort) is built in and prints below):

          curl -sS -X POST \(self.api)/things/\(self.demo.thing)/webhooks \\
            -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
            -d '[{"name":"My first webhook","url":"http://127.0.0.1:\(self.receiverPort)/hook","headers":{"X-Api-Key":"secret"}}]'

        2. Fire it, as the demo thing:

          mosquitto_pub -h 127.0.0.1 -p \(self.mqttPort) -q 1 -t things/\(self.demo.thing)/messages/temperature -m '{"t":21.70}'

        3. The demo profile also keeps messages (write: true). Read them:

          curl -sS \(self.api)/things/\(self.demo.thing)/messages -H "Authorization: Bearer $TOKEN"

        4. Stop forwarding by the profile, without a restart, ask why nothing arrives, and turn it on again:

          curl -sS -X PUT \(self.api)/profiles/\(self.demo.profile) \\
            -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
            -d '{"name":"Demo profile","config":{"content_type":"application/json","write":true,"webhook":false}}'

          curl -sS -X POST \(self.api)/things/\(self.demo.thing)/explain -H "Authorization: Bearer $TOKEN"

          curl -sS -X PUT \(self.api)/profiles/\(self.demo.profile) \\
            -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
            -d '{"name":"Demo profile","config":{"content_type":"application/json","write":true,"webhook":true}}'

        5. Look on:

          \(self.program) top --http-port \(self.port) --postgres-url \(self.postgresURL)

        Ctrl-C ends everything; the data stays for the next time.

        """
    }

    /// The same as variables, for scripts.
    var variables: String {
        """
        HOOKLINE_API=\(self.api)
        HOOKLINE_MQTT_PORT=\(self.mqttPort)
        HOOKLINE_RECEIVER=http://127.0.0.1:\(self.receiverPort)/hook
        HOOKLINE_GROUP=\(self.demo.group)
        HOOKLINE_PROFILE=\(self.demo.profile)
        HOOKLINE_THING=\(self.demo.thing)
        TOKEN=\(self.token)

        """
    }
}

/// Prints without waiting for a buffer to fill, which it does when the output is no terminal.
func printNow(_ text: String) {
    print(text)
    fflush(nil)
}
