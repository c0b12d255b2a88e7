-- Counts of groups as a whole: what came in, and what became of it. Adding up the webhooks' counts whenever somebody looks
-- would cost the more the more webhooks a group has.
CREATE TABLE group_stats (
    group_id uuid NOT NULL,
    -- 'm' or 'h'.
    period "char" NOT NULL,
    start timestamptz NOT NULL,
    -- Messages of the group's things, whether anybody wanted them or not.
    messages bigint NOT NULL DEFAULT 0,
    succeeded bigint NOT NULL,
    failed bigint NOT NULL,
    skipped bigint NOT NULL,
    -- As in webhook_stats.
    latencies bigint[] NOT NULL,
    PRIMARY KEY (group_id, period, start)
) WITH (fillfactor = 70);

WITH each AS (
    SELECT w.group_id, s.* FROM webhook_stats AS s JOIN webhooks AS w ON w.key = s.webhook_key
), sums AS (
    SELECT group_id, period, start, sum(succeeded) AS succeeded, sum(failed) AS failed, sum(skipped) AS skipped
    FROM each GROUP BY group_id, period, start
), buckets AS (
    SELECT group_id, period, start, i, sum(n)::bigint AS n FROM each, unnest(latencies) WITH ORDINALITY AS u (n, i)
    GROUP BY group_id, period, start, i
), arrays AS (
    SELECT group_id, period, start, array_agg(n ORDER BY i) AS latencies FROM buckets GROUP BY group_id, period, start
)
INSERT INTO group_stats (group_id, period, start, succeeded, failed, skipped, latencies)
SELECT group_id, period, start, succeeded, failed, skipped, latencies FROM sums JOIN arrays USING (group_id, period, start);
