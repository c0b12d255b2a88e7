-- concurrently
-- What people look at is read by indexes, so that looking costs the same however much waits. They are built while the
-- database is in use: one statement at a time, each of which may be done again.

-- What waits for a webhook, the newest first. It costs the write path little: what succeeds at once, as nearly all does,
-- has no row here but a bit in `delivery_batches`. What has a row (it has failed once, or its webhook keeps strict order)
-- changes it with each attempt, and writes one more entry then.
DROP INDEX CONCURRENTLY IF EXISTS deliveries_of_webhook;
CREATE INDEX CONCURRENTLY deliveries_of_webhook ON deliveries (webhook_key, message_id) WHERE failed_at IS NULL;

-- What has failed for good, in the order in which it is shown: in place of an index without the last column.
DROP INDEX CONCURRENTLY IF EXISTS deliveries_given_up;
CREATE INDEX CONCURRENTLY deliveries_given_up ON deliveries (webhook_key, failed_at, message_id)
    WHERE failed_at IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS deliveries_failed;

-- What instances have in memory, which `delivery_batches_waiting` leaves out: never more than fits there, so the index is
-- small and stays in memory, and an entry for a batch is all that it costs.
DROP INDEX CONCURRENTLY IF EXISTS delivery_batches_leased;
CREATE INDEX CONCURRENTLY delivery_batches_leased ON delivery_batches (webhook_key, batch_id, first_message_id)
    WHERE leased_by IS NOT NULL;

-- A page of a group's things or webhooks, in the orders in which they are mostly asked for.
DROP INDEX CONCURRENTLY IF EXISTS things_of_group;
CREATE INDEX CONCURRENTLY things_of_group ON things (group_id, id);
DROP INDEX CONCURRENTLY IF EXISTS things_by_name;
CREATE INDEX CONCURRENTLY things_by_name ON things (group_id, lower(name), id);
DROP INDEX CONCURRENTLY IF EXISTS webhooks_of_group;
CREATE INDEX CONCURRENTLY webhooks_of_group ON webhooks (group_id, id);
