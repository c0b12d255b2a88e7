-- What is looked at: headers of answers, and things in the order in which they were seen. May be done again from the beginning, for
-- it ends with indexes that are built while the tables are in use.

ALTER TABLE attempts
    -- Of the answer, a line for each, where something failed or had failed before.
    ADD COLUMN IF NOT EXISTS headers text;

-- When a thing's last message came, to a minute or so. Apart from `thing_activity`, whose times are exact and written far more often
-- where a webhook waits for silence: there is an index of these.
CREATE TABLE IF NOT EXISTS thing_sightings (
    thing_id uuid PRIMARY KEY REFERENCES things ON DELETE CASCADE,
    -- The one whose thing it was then.
    group_id uuid NOT NULL,
    seen_at timestamptz NOT NULL
) WITH (fillfactor = 70);

-- concurrently
-- Of a million things it takes seconds, in which they may be sending, and none of them is removed.
INSERT INTO thing_sightings (thing_id, group_id, seen_at)
SELECT a.thing_id, t.group_id, a.last_at FROM thing_activity AS a JOIN things AS t ON t.id = a.thing_id
FOR KEY SHARE OF t ON CONFLICT DO NOTHING;
DROP INDEX CONCURRENTLY IF EXISTS things_by_sighting;
CREATE INDEX CONCURRENTLY things_by_sighting ON thing_sightings (group_id, seen_at, thing_id);
DROP INDEX CONCURRENTLY IF EXISTS things_by_date;
CREATE INDEX CONCURRENTLY things_by_date ON things (group_id, created_at, id);
-- By how their names begin: by bytes, because what begins alike stands together then whatever order the database has for texts.
DROP INDEX CONCURRENTLY IF EXISTS things_by_beginning;
CREATE INDEX CONCURRENTLY things_by_beginning ON things (group_id, (lower(name) COLLATE "C"), id);
