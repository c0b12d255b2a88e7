-- Messages that are kept, sent once more: what succeeded, what failed, or what a webhook never saw. Each is gone through a part at
-- a time; where it has come to stands in its row, which is locked meanwhile.
CREATE TABLE resends (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook_key int NOT NULL,
    -- As it was asked for.
    selection jsonb NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    -- Ids of messages: from the first to before the end, and behind which one to go on.
    first_id bigint NOT NULL,
    end_id bigint NOT NULL,
    behind bigint NOT NULL,
    -- When to go on; when deliveries were made last, and how many may be under way.
    due_at timestamptz NOT NULL DEFAULT now(),
    fed_at timestamptz,
    width int NOT NULL DEFAULT 32,
    -- Nothing more is to be made.
    is_walked boolean NOT NULL DEFAULT false,
    cancelled_at timestamptz,
    ended_at timestamptz,
    -- The messages that are under way, and those of them that had failed before.
    open bigint[] NOT NULL DEFAULT '{}',
    had_failed bigint[] NOT NULL DEFAULT '{}',
    selected bigint NOT NULL DEFAULT 0,
    selected_bytes bigint NOT NULL DEFAULT 0,
    -- Did not meet the webhook's conditions.
    skipped bigint NOT NULL DEFAULT 0,
    succeeded bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE INDEX resends_due ON resends (due_at, id) WHERE ended_at IS NULL;
CREATE INDEX resends_of_webhook ON resends (webhook_key, id);

-- What conditions compare with, as `condition_memory`, but of the messages that a resend has gone through.
CREATE TABLE resend_memory (
    resend_id int NOT NULL REFERENCES resends ON DELETE CASCADE,
    thing_id uuid NOT NULL,
    rule smallint NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (resend_id, thing_id, rule)
) WITH (fillfactor = 70);

-- The number of the resend that it is of; below zero if its requests have ids of their own.
ALTER TABLE deliveries ADD COLUMN resent int;
