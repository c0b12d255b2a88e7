-- Where conditions have an edge: a row for each thing of which they are met, from the message with which they began to be until the
-- one with which they no longer are. It is written when that changes, and with no other message.
CREATE TABLE alarms (
    webhook_key int NOT NULL,
    thing_id uuid NOT NULL,
    group_id uuid NOT NULL,
    -- The messages with which it began, and that changed it last.
    raised bigint NOT NULL,
    changed bigint NOT NULL,
    -- Whether they have been met for as long as they have to be.
    is_active boolean NOT NULL,
    -- What was asked (ConditionSet.mark): a row of other conditions says nothing.
    mark bigint NOT NULL,
    -- What was found, as JSON, no more of it than is shown.
    value text,
    -- When it is to be active if nothing is heard until then, and the message that is sent then.
    due_at timestamptz,
    subtopic text,
    content_type text,
    traceparent text,
    payload bytea,
    acknowledged_at timestamptz,
    acknowledged_by text,
    PRIMARY KEY (webhook_key, thing_id)
) WITH (fillfactor = 70);
CREATE INDEX alarms_of_group ON alarms (group_id, raised DESC, webhook_key DESC);
CREATE INDEX alarms_of_thing ON alarms (thing_id);
CREATE INDEX alarms_due ON alarms (due_at) WHERE due_at IS NOT NULL;

-- What the webhook was told with a message, for the placeholders of its request.
CREATE TABLE alarm_crossings (
    message_id bigint NOT NULL,
    webhook_key int NOT NULL,
    state text NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (message_id, webhook_key)
);
CREATE INDEX alarm_crossings_of_webhook ON alarm_crossings (webhook_key);
