-- What waits for long, apart from what is gone within seconds: among those each row would keep a page of the table and of its
-- index from being used again. Housekeeping moves it. A statement on the table that they inherit from sees both.
CREATE TABLE waiting_messages (PRIMARY KEY (id)) INHERITS (transient_messages)
    WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_threshold = 50000);

CREATE TABLE waiting_batches (PRIMARY KEY (batch_id, webhook_key, first_message_id)) INHERITS (delivery_batches)
    WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_insert_threshold = -1);
CREATE INDEX waiting_batches_waiting ON waiting_batches (webhook_key, batch_id, first_message_id)
    WHERE leased_by IS NULL;
CREATE INDEX waiting_batches_leased ON waiting_batches (webhook_key, batch_id, first_message_id)
    WHERE leased_by IS NOT NULL;
