-- Instances that share a subscription: what the broker holds for one that does not come back is fetched by another.

ALTER TABLE sessions
    ADD COLUMN shared_group text,
    -- Set when the instance has ended in good order. Its row stays for a while, in case it was a restart.
    ADD COLUMN stopped_at timestamptz;

CREATE TABLE abandoned_clients (
    client_id text PRIMARY KEY,
    shared_group text NOT NULL,
    -- The session that is fetching; NULL or a session that is gone: nobody is.
    adopted_by int,
    abandoned_at timestamptz NOT NULL DEFAULT now()
);
