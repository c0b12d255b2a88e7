-- The query of a webhook's url under seal (see SealedQuery), where keys often stand. NULL where there is none, and where it stands
-- in the url as it was written: without a key, and while an instance lives that would not look here.
ALTER TABLE webhooks ADD COLUMN url_query bytea;
CREATE INDEX webhooks_plain_query ON webhooks (id) WHERE strpos(url, '?') > 0;

-- Which forms of rows an instance reads that builds before did not know (see StoredForm): none, if it is such a build.
ALTER TABLE sessions ADD COLUMN reads smallint NOT NULL DEFAULT 0;

-- A url whose query has come under seal leads where it led: nothing to be noted.
CREATE OR REPLACE TRIGGER audit_update AFTER UPDATE ON webhooks
    REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT
    WHEN (current_setting('hookline.resealing', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION note_changes('webhook', 'id', 'id', 'group_id', 'name', 'name', 'url=url', 'status', 'status_reason',
        'trigger', 'silent_after', 'secrets=sealed',
        'policy=json:successStatuses,retrySchedule,maxAttempts,maxAge,retriesClientErrors,failureLimit,failureWindow,'
        'rateLimit,ordering');
