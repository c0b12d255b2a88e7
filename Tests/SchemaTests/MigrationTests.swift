import Crypto
import Domain
import Migrations
import Testing

@Suite("Migrations")
struct MigrationTests {
    /// Of each in turn; of a new one it is added here.
    private static let checksums = [
        "e223770dca2b3a66791b7fcb5622117209d0dc60a73fceff8497242b2cb29500",
        "a6268622d65e6005f85d2eadf7144e62617de6e4ad4236240d6661de5d0adddd",
        "52bd2763ec4215731afa084b945dd9b8b75ade6a742b32a1bef1a78018bd9764",
        "e96fee21e5fa833903d3dc24108d882c1dedc3c1dd3fddb7f9be989664ffb978",
        "0b409a06e2decc658c74bc857b7c0d05ce7b5913a1ed61a35fe97cadfbd2a046",
        "a66c3358e1a4c9eebe1c8d9b8b09f4fd0cdfd2bc57926df614230084845f9cc9",
        "582ea1871f314da8dfe9dbb84096a1fa6e9ccb555e49ea0a2aebe45dfac088d2",
        "9d0ead99df52459ebb546879a65be5030206e0cd434ccb883896ac959b96ca0a",
        "59e8273ca1a91d3b149eb85769f2267e7232bb1719824ceabf260ed1d0a4fee3",
        "cb2bbd5a19c93333719b7863d12ca19ba576a5e60e00e7f3de8eb4b7a02b6bce",
        "c52a5b605d578a94a7bf74bbf3aee1ad27c44cecd119fe0952559ddedcd65139",
        "05bafbf2f5583348be09b27012eb9ce288ecd48e63d5868cc764259343c5d294",
        "8252f5900efc2582a8d0a2952c671be40fe3f4c1f78bb3b392e777d9d17bbe82",
        "5becff92c550968277b3a13ad0b44c7b4cfd8a0edae422f3ab1b9a2153ce9626",
        "8e06ba70d8f18a43da5f47026c6424dc832b4d64b3b355d0d111fa98b564ba4f",
        "550533acc6eb832cea7ae83d0eb5eefbfe4ce40742977d2e4ebc2906a0adb11a",
        "c6538074e28d37744c0b81bb55dc5ebbea161ca94b8559a13653b46b52dc676c",
        "f9b78ab78a654fbbb453360b51e9d82699ae104542f1f11ef2dd268e5d3118e0",
        "a40d359f5f49d7832b6ad3735bdfcfab7e5a29e8a42299980259536a80bdd0bd",
        "e9075f61d2feb9faebc0a7f1ca4eb617ca58ff181295a4fc4f37441cefbe7ece",
        "1ed26e6bd3e4ac2a6ae34f15e9db9e5e9125f505107f530bb919151382097f85",
        "6feadd8eaf79b84be591bea0bd4a3fb459b194c249ceb7edb0f88e93babe903f",
        "339fadb72b3bc6e06b3cc7e05a618c620e3c2544713c06735ba3b5da886b755e",
        "ac9d9c8a40ffadb77e1723228b692cdf9e8fff2e4d0dbbca0080e526ea1b90d4",
        "69f11e0ac7b32a7d4e2ff13bd26bb3e50786ba18e044c454012cfbb48b5e0e87",
        "a082ae416e8be00c79f7853e8b3cf764726996cfdeca90f3f8227706e56c9a73",
        "e947c4598dc20d30c4da4e07c14c1d7f553d4bbe56ff17d9f69562d98cb8c252",
        "6fbebdbd1595be45ce659877ec0caa176035799d9a07c8c537f4e80eb93b67b9",
        "4b8b8f59caf08de0cd541e0402bb419e6000c19c7212c214fc4d90ef29872d96",
        "6602c2a737423cb3e1d593962444b2ac5af6a7ae3263982c311d589a6cfb4f5b",
        "c6036b4ba34eef72496170bc54383ac76b4b834f7d467fa67e230cd2abbab2bf",
        "73966ccd487f50d4a28270cc026bcd12dffa86171950b619e389a811c6b9b055",
        "e2d1be2eb8161ec1252a3de9f231f11a757b431b1bf1f8fc7f07165bda685fe5",
        "d79e76e44b1676b0210fc02aa1379c4d93a57b1cc1bc07b04e84c94216619353",
        "1ef81c6e441c7406e65e8bf954a6e9c23c0236ecfcc705f52f3c5807981580a4",
        "f9ba34a4e336cfc12040412a0a916f585b066dc4baf4c242f3fe72ab361aa68f",
        "54cf5a80d06ef02b59a2e3b20a1c425ff16b352d6b50420d463bad2890cea781",
        "1788b5a6b923a59b889db13aea22be1f29dc02f8ee0de6170ea1dc64771fb2b9",
        "817157b21e5ff5a105c556cce80c798b6ee4097f049d60d8374115396ac85b33",
        "d79eab467d9d0a9c540c98f062394b338318118d2675da781f4c2a41f974d7e0",
        "a3b9058d6a7970be4ef7182aea72977e48a6e6e4b7496e9e8b54f95136ff1316",
        "78d584473f519bad43a4b41ceeab70725ff1a6262473fe0bdf441447130f2cb7",
        "55c699a17de27cb0644f218b4c953504d83d78fe5d45ff1b51b946f5ebb170ed",
        "d00f9b13c8e97545d1b1fb9bc1a562b30dfb4bcc592e56d0e8682d47be4c272f",
    ]

    @Test("stay as they were: databases remember what was applied to them, and take no other in its place")
    func unchanged() {
        let versions = MigrationFiles.all.map(\.version)
        #expect(versions.count == Self.checksums.count && versions == Set(versions).sorted())
        let found = MigrationFiles.all.map { Hex.encode(SHA256.hash(data: $0.sql)) }
        #expect(found == Self.checksums)
    }
}
