-- When the database's clock was set forward, and by how much: what waited meanwhile grew no older by it. A few rows; every instance that
-- saw it writes its own.
CREATE TABLE clock_steps (
    -- The first time after it.
    ended_at timestamptz PRIMARY KEY,
    microseconds bigint NOT NULL CHECK (microseconds > 0)
);
