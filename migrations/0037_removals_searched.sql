-- concurrently
-- Which webhooks of a group were removed since a transaction.
DROP INDEX CONCURRENTLY IF EXISTS erasures_of_webhooks;
CREATE INDEX CONCURRENTLY erasures_of_webhooks ON erasures (group_id, written) WHERE webhook_key IS NOT NULL;
