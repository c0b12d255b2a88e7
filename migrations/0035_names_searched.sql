-- concurrently
-- A part of a name is looked for among a group's things in the order of their names, and in this index alone: it has the names as they
-- are. So it has the order of the one that it replaces.
DROP INDEX CONCURRENTLY IF EXISTS things_searched;
CREATE INDEX CONCURRENTLY things_searched ON things (group_id, lower(name), id) INCLUDE (name);
DROP INDEX CONCURRENTLY IF EXISTS things_by_name;
