-- By what name the broker knows an installation that was given none (MQTT_CLIENT_ID): made once, and not to be guessed, because
-- who comes in under it has what the broker keeps for it.
CREATE TABLE broker_identity (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    client_id text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now()
);

-- A key of a thing that is only sealed anew is nothing to announce: its account at the broker would be made again, and the thing
-- lose its connection.
CREATE OR REPLACE TRIGGER announce_update AFTER UPDATE ON things
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT
    WHEN (current_setting('hookline.resealing', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION announce_routes('id');
