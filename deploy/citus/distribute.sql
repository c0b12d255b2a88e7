-- Spreads the tables of messages and deliveries over the nodes of a Citus cluster, by their group. Run at the coordinator by psql, as
-- the owner of the tables, after `hookline migrate` and while no instance runs; it may be run again, and does what is left to do:
--
--   psql -f deploy/citus/distribute.sql                       four shards for each node that has any
--   psql -v shards=64 -f deploy/citus/distribute.sql
--
-- What is not named here stays at the coordinator as it is, with its triggers, foreign keys, locks and LISTEN. docs/scaling.md says
-- what was tried of this, and what was not.
\set ON_ERROR_STOP on
\if :{?shards}
\else
\set shards 0
\endif

SET citus.multi_shard_modify_mode = 'sequential';

-- What is spread, in this order, and the column of the group.
CREATE TEMPORARY TABLE spread (place int, name text, by text);
INSERT INTO spread VALUES
    (1, 'messages', 'group_id'), (2, 'transient_messages', 'group_id'), (3, 'deliveries', 'group_id'),
    (4, 'delivery_batches', 'group_id'), (5, 'attempts', 'group_id'), (6, 'attempt_batches', 'group_id'),
    (7, 'skips', 'group_id'), (8, 'webhook_counters', 'webhook_group_id'), (9, 'webhook_stats', 'group_id'),
    (10, 'group_stats', 'group_id'), (11, 'condition_memory', 'group_id'), (12, 'thinned_things', 'group_id'),
    -- Of no use where rows are spread, and named in statements all the same.
    (13, 'waiting_messages', 'group_id'), (14, 'waiting_batches', 'group_id');
-- What the nodes see of the coordinator: these rows stay there, and are reached through each node.
CREATE TEMPORARY TABLE seen (name text);
INSERT INTO seen VALUES ('sessions'), ('alarms'), ('alarm_crossings');

DO $$
DECLARE
    citus text := (SELECT extversion FROM pg_extension WHERE extname = 'citus');
BEGIN
    IF citus IS NULL THEN RAISE EXCEPTION 'Citus is not there: run deploy/citus/nodes.sql first'; END IF;
    IF split_part(citus, '.', 1)::int < 12 THEN
        RAISE EXCEPTION 'Citus % is too old: sessions has an identity column of type int, which takes Citus 12', citus;
    END IF;
    IF EXISTS (SELECT FROM spread AS s JOIN pg_attribute AS a ON a.attrelid = s.name::regclass AND a.attname = s.by
        WHERE NOT a.attnotnull)
    THEN RAISE EXCEPTION 'there are rows without a group: run hookline migrate of a build that completes them'; END IF;
END
$$;

-- Citus spreads no table that others inherit from. What waits for long goes back to where it came from, and housekeeping, which sees
-- that nothing inherits any more, leaves it there.
DO $$
DECLARE
    pair record;
BEGIN
    FOR pair IN SELECT * FROM (VALUES ('waiting_messages', 'transient_messages'), ('waiting_batches', 'delivery_batches'))
        AS p (apart, whole) WHERE EXISTS (SELECT FROM pg_inherits WHERE inhrelid = apart::regclass)
    LOOP
        EXECUTE format('LOCK TABLE %I, %I IN ACCESS EXCLUSIVE MODE', pair.whole, pair.apart);
        EXECUTE format('WITH moved AS (DELETE FROM %I RETURNING *) INSERT INTO %I SELECT * FROM moved', pair.apart, pair.whole);
        EXECUTE format('ALTER TABLE %I NO INHERIT %I', pair.apart, pair.whole);
    END LOOP;
END
$$;
-- A key of a spread table has the column that it is spread by. Messages' keys have not, because elsewhere no two groups may have an id in
-- common, and before version 41 of the schema there are more. Statements name keys by their names, which stay.
DO $$
DECLARE
    lacking record;
BEGIN
    FOR lacking IN
        SELECT i.indrelid::regclass AS name, c.conname, s.by AS added,
            (SELECT string_agg(quote_ident(k.attname), ', ' ORDER BY array_position(i.indkey::int2[], k.attnum))
             FROM pg_attribute AS k WHERE k.attrelid = i.indrelid AND k.attnum = ANY (i.indkey)) AS columns
        FROM spread AS s JOIN pg_index AS i ON i.indrelid = s.name::regclass AND i.indisprimary
        JOIN pg_constraint AS c ON c.conindid = i.indexrelid AND c.contype = 'p'
        JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attname = s.by
        WHERE NOT a.attnum = ANY (i.indkey)
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %I PRIMARY KEY (%s, %I)', lacking.name, lacking.conname,
            lacking.conname, lacking.columns, lacking.added);
    END LOOP;
END
$$;

-- It fills in the group where a build of before leaves it out, which none may do any more; and Citus spreads no table that has triggers.
SELECT format('DROP TRIGGER fill_group ON %s', t.tgrelid::regclass)
FROM pg_trigger AS t JOIN spread AS s ON t.tgrelid = s.name::regclass
WHERE t.tgname = 'fill_group' AND NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = t.tgrelid)
ORDER BY s.place
\gexec

-- Statements call it where the rows are.
SELECT 'SELECT create_distributed_function(''remaining_messages(bigint[], bytea)'')'
WHERE NOT EXISTS (
    SELECT FROM pg_dist_object
    WHERE classid = 'pg_proc'::regclass AND objid = 'remaining_messages(bigint[], bytea)'::regprocedure)
\gexec

-- Rows of one group are on one node, whatever table they are of.
SELECT CASE WHEN place = 1
    THEN format('SELECT create_distributed_table(%L, %L, colocate_with => ''none'', shard_count => %s)', name, by,
        CASE WHEN :shards > 0 THEN :shards
            ELSE greatest(1, 4 * (SELECT count(*) FROM pg_dist_node WHERE shouldhaveshards AND noderole = 'primary')) END)
    ELSE format('SELECT create_distributed_table(%L, %L, colocate_with => ''messages'')', name, by) END
FROM spread WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = name::regclass)
ORDER BY place
\gexec

-- What was there before spreading is on the nodes now, and no more to be seen here.
SELECT format('SELECT truncate_local_data_after_distributing_table(%L)', name) FROM spread ORDER BY place
\gexec

SELECT format('SELECT citus_add_local_table_to_metadata(%L)', name) FROM seen
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = name::regclass)
\gexec

-- These are settings of each node (postgresql.conf, or ALTER SYSTEM there): a transaction works on one shard after the other, and what it
-- sets for itself holds where its rows are.
DO $$
DECLARE
    unlike text;
BEGIN
    SELECT string_agg(format('%s: %s', nodename, r.result), '; ') INTO unlike
    FROM run_command_on_all_nodes($sql$
        SELECT current_setting('citus.multi_shard_modify_mode') || ', ' || current_setting('citus.propagate_set_commands')
        $sql$) AS r JOIN pg_dist_node USING (nodeid)
    WHERE r.result IS DISTINCT FROM 'sequential, local';
    IF unlike IS NOT NULL THEN
        RAISE EXCEPTION 'not every node has citus.multi_shard_modify_mode = sequential and citus.propagate_set_commands = local: %', unlike;
    END IF;
END
$$;

SELECT p.logicalrelid::text AS "table", p.partmethod AS method, count(s.shardid) AS shards
FROM pg_dist_partition AS p LEFT JOIN pg_dist_shard AS s USING (logicalrelid)
WHERE p.logicalrelid::text IN (SELECT name FROM spread UNION ALL SELECT name FROM seen) GROUP BY 1, 2 ORDER BY 1;
