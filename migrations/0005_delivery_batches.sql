-- Deliveries to one webhook that were committed together, and of which none had a fate of its own so far: one row for
-- all of them, with eight bytes each, instead of a row with an index entry for each. What is done is marked with a bit,
-- so that the ids are written once; a delivery that has to be tried again is marked too and gets a row in `deliveries`.
-- Webhooks with strict order do without, because their claims look at single deliveries.
CREATE TABLE delivery_batches (
    -- The same for all webhooks of a group whose deliveries were committed together and may need the same payloads.
    batch_id bigint NOT NULL,
    webhook_key int NOT NULL,
    first_message_id bigint NOT NULL,
    -- As in `deliveries`. NULL if it waits to be claimed.
    leased_by int,
    due_at timestamptz NOT NULL,
    is_kept boolean NOT NULL,
    -- How many are not done.
    deliveries int NOT NULL,
    -- Of all of them together when they were committed.
    payload_bytes bigint NOT NULL,
    -- In ascending order.
    message_ids bigint[] NOT NULL,
    -- A bit for each of them, as get_bit counts; NULL while none is done.
    done bytea,
    PRIMARY KEY (batch_id, webhook_key, first_message_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_insert_threshold = -1);
-- Compressing the ids costs more than writing them.
ALTER TABLE delivery_batches ALTER COLUMN message_ids SET STORAGE EXTERNAL;
CREATE INDEX delivery_batches_waiting ON delivery_batches (webhook_key, batch_id, first_message_id)
    WHERE leased_by IS NULL;

-- Payloads of more than 2 kB are compressed, with lz4 several times faster than with the default. A server that was built
-- without it keeps the default.
DO $$
BEGIN
    ALTER TABLE transient_messages ALTER COLUMN payload SET COMPRESSION lz4;
    ALTER TABLE messages ALTER COLUMN payload SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN NULL;
END
$$;

CREATE FUNCTION remaining_messages(message_ids bigint[], done bytea) RETURNS SETOF bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT id FROM unnest(message_ids) WITH ORDINALITY AS d (id, number)
    WHERE done IS NULL OR get_bit(done, number - 1) = 0
$$;

ALTER TABLE deliveries ADD COLUMN batch_id bigint;
