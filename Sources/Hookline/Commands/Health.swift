internal import ArgumentParser

/// What a container's health check runs, so that the image needs no other program for it.
struct Health: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ask the instance on this machine whether it is ready; ends with 0 if it is, with 1 if not.",
        discussion: "It is asked at HTTP_PORT on 127.0.0.1, or at HTTP_HOST if that is one address of this machine.")

    @OptionGroup var settings: SettingsArguments

    func run() async throws {
        let instance = try InstanceAddress(try await SettingsReader(arguments: self.settings.arguments))
        do {
            let answer = try await instance.get("/ready")
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
