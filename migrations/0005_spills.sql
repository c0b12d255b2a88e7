-- What waits from the beginning, because its webhook is busy or disabled: one row per webhook and batch of intake, a
-- few bytes per delivery, instead of a row with two index entries for each. A claim turns it into deliveries.
-- Webhooks with strict order do without, because their claims look at single deliveries.
CREATE TABLE spills (
    webhook_key int NOT NULL,
    first_message_id bigint NOT NULL,
    last_message_id bigint NOT NULL,
    due_at timestamptz NOT NULL,
    is_kept boolean NOT NULL,
    deliveries int NOT NULL,
    -- Of all of them together.
    payload_bytes bigint NOT NULL,
    message_ids bigint[] NOT NULL,
    -- The payload of each.
    sizes int[] NOT NULL,
    PRIMARY KEY (webhook_key, first_message_id)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_insert_threshold = -1);
-- Compressing them costs more than writing them.
ALTER TABLE spills ALTER COLUMN message_ids SET STORAGE EXTERNAL, ALTER COLUMN sizes SET STORAGE EXTERNAL;
-- Whether a payload is still needed.
CREATE INDEX spills_of_message ON spills USING gist (int8range(first_message_id, last_message_id, '[]'))
    WHERE NOT is_kept;
