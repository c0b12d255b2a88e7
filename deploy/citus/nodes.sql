-- Makes a Citus cluster of the nodes that there are. Run at the coordinator, in Hookline's database, by psql; it may be run again:
--
--   psql -v coordinator=postgres -v workers=worker-1,worker-2 -f deploy/citus/nodes.sql
--
-- Names are those by which nodes reach each other, and may have a port behind a colon.
\set ON_ERROR_STOP on

CREATE EXTENSION IF NOT EXISTS citus;

SELECT citus_set_coordinator_host(split_part(:'coordinator', ':', 1),
    coalesce(nullif(split_part(:'coordinator', ':', 2), ''), '5432')::int);
-- The coordinator's own work is enough: it has everything that is not spread.
SELECT citus_set_node_property(split_part(:'coordinator', ':', 1),
    coalesce(nullif(split_part(:'coordinator', ':', 2), ''), '5432')::int, 'shouldhaveshards', false);
-- One after the other, each in a transaction of its own. One that is there stays as it is.
SELECT format('SELECT citus_add_node(%L, %s)', split_part(worker, ':', 1),
    coalesce(nullif(split_part(worker, ':', 2), ''), '5432')::int)
FROM unnest(string_to_array(:'workers', ',')) AS w (worker)
\gexec

SELECT nodename, nodeport, isactive, shouldhaveshards FROM pg_dist_node ORDER BY groupid;
