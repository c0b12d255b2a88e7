internal import ArgumentParser

/// What a container's health check runs, so that the image needs no other program for it.
struct Health: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ask the instance on this machine whether it is ready, or lives: ends with 0 if so, else with 1.",
        discussion: "It is asked at HTTP_PORT on 127.0.0.1, or at HTTP_HOST if that is one address of this machine.")

    @Flag(help: "Whether it lives, however database and broker are: for who starts it again if not.")
    var alive = false

    @OptionGroup var settings: SettingsArguments

    func run() async throws {
        let instance = try InstanceAddress(try await SettingsReader(arguments: self.settings.arguments))
        do {
            let answer = try await instance.get(self.alive ? "/health" : "/ready")
            print(answer.body)
            guard answer.status == 200 else { throw ExitCode(1) }
        } catch let code as ExitCode {
            throw code
        } catch {
            print("not reachable at \(instance): \(error)")
            throw ExitCode(1)
        }
    }
}
