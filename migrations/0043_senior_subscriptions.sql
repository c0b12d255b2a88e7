ALTER TABLE broker_sessions
    -- The numbers of subscriptions that a client id had before all with larger numbers: by these copies of a message are told apart, also
    -- after a restart. Null of those from before, of which nothing is known: they are taken to be as old as their numbers say, as they were.
    ADD COLUMN seniors int[],
    -- When the broker let it in for the first time: what it has is there still when it comes again.
    ADD COLUMN connected_at timestamptz;
