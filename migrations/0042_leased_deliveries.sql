-- concurrently
-- What instances have in memory of what has a row of its own, which `deliveries_waiting` leaves out: never more than fits there, so the
-- index is small. Without it, whoever asks what is leased reads all that waits, as every instance does twice a minute.
DROP INDEX CONCURRENTLY IF EXISTS deliveries_leased;
CREATE INDEX CONCURRENTLY deliveries_leased ON deliveries (webhook_key, leased_by) WHERE leased_by IS NOT NULL;
