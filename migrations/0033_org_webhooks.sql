-- Webhooks of orgs: one definition, and in each of the org's groups a webhook that is its copy. To whoever sends, a copy is a
-- webhook like any other.

CREATE TABLE org_webhooks (
    id uuid PRIMARY KEY,
    org_id uuid NOT NULL REFERENCES orgs,
    name varchar(254) NOT NULL,
    -- As in webhooks.
    url text NOT NULL,
    url_query bytea,
    status text NOT NULL CHECK (status IN ('ENABLED', 'DISABLED')),
    policy jsonb NOT NULL,
    secrets bytea NOT NULL,
    secrets_key int,
    trigger text NOT NULL,
    silent_after bigint,
    needs_names boolean NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT org_webhooks_name UNIQUE (org_id, name)
);
CREATE INDEX org_webhooks_of_org ON org_webhooks (org_id, id);

-- What a copy has under seal is bound to the definition's id, so that it is the same bytes in all of them.
ALTER TABLE webhooks ADD COLUMN org_webhook_id uuid REFERENCES org_webhooks;
CREATE UNIQUE INDEX webhooks_of_org ON webhooks (org_webhook_id, group_id) WHERE org_webhook_id IS NOT NULL;

SELECT audit_table('org_webhooks', 'org_webhook', 'id', 'id', 'NULL', 'name', 'name', 'org_id', 'url=url', 'status', 'trigger',
    'silent_after', 'secrets=sealed',
    'policy=json:successStatuses,retrySchedule,maxAttempts,maxAge,retriesClientErrors,failureLimit,failureWindow,'
    'rateLimit,ordering');

-- What follows from something else that is noted is not noted itself: copies that are made, changed or removed with their
-- definition, and queries that come under seal. Updates of webhooks have it already.
DO $$
DECLARE
    definition text;
BEGIN
    FOR definition IN
        SELECT pg_get_triggerdef(oid) FROM pg_trigger
        WHERE tgrelid = 'webhooks'::regclass AND tgname IN ('audit_insert', 'audit_delete')
            OR tgrelid = 'org_webhooks'::regclass AND tgname = 'audit_update'
    LOOP
        EXECUTE replace(regexp_replace(definition, '^CREATE TRIGGER', 'CREATE OR REPLACE TRIGGER'), ' EXECUTE FUNCTION ',
            ' WHEN (current_setting(''hookline.resealing'', true) IS DISTINCT FROM ''on'') EXECUTE FUNCTION ');
    END LOOP;
END
$$;
