-- Events that wait to be delivered, and for whom. Both rows are written in the
-- transaction that made the change; who has got an event, waits no more, and an
-- event for which nobody waits goes. user_id is no reference: an event outlives its
-- user.
CREATE TABLE auth_postern_events (
  id         TEXT NOT NULL PRIMARY KEY,
  type       TEXT NOT NULL,
  user_id    TEXT NOT NULL,
  payload    TEXT NOT NULL CHECK (json_valid(payload)),
  created_at TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.??????Z')
) STRICT;

CREATE TABLE auth_postern_deliveries (
  event_id   TEXT NOT NULL REFERENCES auth_postern_events (id) ON DELETE CASCADE,
  subscriber TEXT NOT NULL,
  attempts   INTEGER NOT NULL,
  due_at     TEXT NOT NULL CHECK (due_at GLOB '????-??-??T??:??:??.??????Z'), -- while one is tried: when another may try
  PRIMARY KEY (event_id, subscriber)
) STRICT;

CREATE INDEX auth_postern_deliveries_due_idx ON auth_postern_deliveries (subscriber, due_at);
