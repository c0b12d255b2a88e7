-- What a publish said of itself beside its payload (MQTT 5), as JSON: of messages that somebody may ask it of. Of most there is none.
ALTER TABLE messages ADD COLUMN properties text;
ALTER TABLE transient_messages ADD COLUMN properties text;
-- Of the message that waits with an alarm.
ALTER TABLE alarms ADD COLUMN properties text;
