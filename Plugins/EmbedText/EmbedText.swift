import Foundation
import PackagePlugin

/// Puts the text files of a target into its code, as `PackageResources.name_of_the_file`: what `.embedInCode` does, but as texts. As
/// an array with a number for each byte a file of 300 kB takes the compiler a minute, and as a text nothing.
@main
struct EmbedText: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
        guard let module = target.sourceModule else { return [] }
        let texts = module.sourceFiles.filter { $0.type == .unknown }.map(\.url).sorted { $0.path < $1.path }
        guard !texts.isEmpty else { return [] }
        let output = context.pluginWorkDirectoryURL.appending(path: "PackageResources.swift")
        return [
            .buildCommand(
                displayName: "Embedding the texts of \(target.name)",
                executable: try context.tool(named: "embed-text").url,
                arguments: [output.path] + texts.map(\.path),
                inputFiles: texts, outputFiles: [output])
        ]
    }
}
