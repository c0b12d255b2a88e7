-- How each webhook is delivered to, secrets under seal, order and replay.

ALTER TABLE webhooks
    ADD COLUMN status text NOT NULL DEFAULT 'ENABLED'
        CHECK (status IN ('ENABLED', 'DISABLED', 'DISABLED_DUE_TO_ERRORS')),
    -- Why it was disabled, if that was not its owners' doing.
    ADD COLUMN status_reason text,
    -- What the webhook says about its delivery; what is absent follows the installation.
    ADD COLUMN policy jsonb NOT NULL DEFAULT '{}',
    -- Header values and signing keys, sealed: a byte that says how, then what that asks for (see SecretBox).
    ADD COLUMN secrets bytea,
    -- The key that sealed it; NULL if none did. 0 stands for rows that a migration wrote, which are completed and
    -- sealed when the service starts.
    ADD COLUMN secrets_key int;
UPDATE webhooks SET secrets_key = 0,
    secrets = '\x00'::bytea || convert_to(jsonb_build_object('headers', headers)::text, 'UTF8');
ALTER TABLE webhooks ALTER COLUMN secrets SET NOT NULL, DROP COLUMN headers;

-- Since when the failures in a row have been going on.
ALTER TABLE webhook_counters ADD COLUMN failing_since timestamptz;

-- Blocks of addresses that the group's webhooks may reach beyond those of the installation. Root's to set.
ALTER TABLE groups ADD COLUMN allowed_networks text[] NOT NULL DEFAULT '{}';

ALTER TABLE deliveries
    -- Why it has failed for good.
    ADD COLUMN failure text,
    -- Its age counts from here if it was sent again on request.
    ADD COLUMN replayed_at timestamptz,
    -- Only where the webhook keeps strict order: whose turn it is, and until when a failure holds up the thing.
    ADD COLUMN thing_id uuid,
    ADD COLUMN blocked_until timestamptz;
CREATE INDEX deliveries_in_order ON deliveries (webhook_key, thing_id, message_id)
    WHERE thing_id IS NOT NULL AND failed_at IS NULL;
CREATE INDEX deliveries_blocked ON deliveries (webhook_key, blocked_until)
    WHERE blocked_until IS NOT NULL AND failed_at IS NULL;
CREATE INDEX deliveries_failed ON deliveries (webhook_key, failed_at) WHERE failed_at IS NOT NULL;
