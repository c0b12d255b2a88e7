-- Set when the lease had run out and what was leased was released. The row stays for a while, with its numbers: who was only
-- taken for dead may come back.
ALTER TABLE sessions ADD COLUMN is_over boolean NOT NULL DEFAULT false;
