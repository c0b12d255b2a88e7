/// The numbered SQL files of this folder, embedded in the binary.
///
/// A new step is a new file, named here and in `Package.swift`. A file that has been released is never edited: its
/// checksum is in every database it was applied to.
package enum MigrationFiles {
    package static let all: [(version: Int32, name: String, sql: [UInt8])] = [
        (1, "initial", PackageResources._001_initial_sql),
        (2, "delivery policies", PackageResources._002_delivery_policies_sql),
        (3, "broker accounts", PackageResources._003_broker_accounts_sql),
        (4, "abandoned clients", PackageResources._004_abandoned_clients_sql),
        (5, "delivery batches", PackageResources._005_delivery_batches_sql),
        (6, "webhook fields", PackageResources._006_webhook_fields_sql),
        (7, "sources", PackageResources._007_sources_sql),
        (8, "group_stats", PackageResources._008_group_stats_sql),
        (9, "safe to repeat", PackageResources._009_safe_to_repeat_sql),
        (10, "sessions over", PackageResources._010_sessions_over_sql),
        (11, "lists", PackageResources._011_lists_sql),
        (12, "waiting messages", PackageResources._012_waiting_messages_sql),
        (13, "json as written", PackageResources._013_json_as_written_sql),
        (14, "api keys", PackageResources._014_api_keys_sql),
        (15, "audit", PackageResources._015_audit_sql),
        (16, "broker identity", PackageResources._016_broker_identity_sql),
        (17, "erasure", PackageResources._017_erasure_sql),
        (18, "sealed queries", PackageResources._018_sealed_queries_sql),
        (19, "notices", PackageResources._019_notices_sql),
        (20, "resends", PackageResources._020_resends_sql),
        (21, "egress", PackageResources._021_egress_sql),
        (22, "alarms", PackageResources._022_alarms_sql),
        (23, "thinned things", PackageResources._023_thinned_things_sql),
        (24, "things as named", PackageResources._024_things_as_named_sql),
        (25, "topic rules", PackageResources._025_topic_rules_sql),
        (26, "decoding", PackageResources._026_decoding_sql),
        (27, "message properties", PackageResources._027_message_properties_sql),
        (28, "commands", PackageResources._028_commands_sql),
        (29, "looked at", PackageResources._029_looked_at_sql),
        (30, "user events", PackageResources._030_user_events_sql),
        (31, "descriptor sets", PackageResources._031_descriptor_sets_sql),
        (32, "presence", PackageResources._032_presence_sql),
        (33, "org webhooks", PackageResources._033_org_webhooks_sql),
        (34, "decoding rules", PackageResources._034_decoding_rules_sql),
        (35, "names searched", PackageResources._035_names_searched_sql),
        (36, "webhooks written", PackageResources._036_webhooks_written_sql),
    ]
}
