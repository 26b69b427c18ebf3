-- Events that wait to be delivered, and for whom. Both rows are written in the
-- transaction that made the change; who has got an event, waits no more, and an
-- event for which nobody waits goes. user_id is no reference: an event outlives its
-- user.
CREATE TABLE auth.postern_events (
  id         uuid PRIMARY KEY,
  type       text NOT NULL,
  user_id    uuid NOT NULL,
  payload    json NOT NULL, -- as it was written, so that each attempt sends the same
  created_at timestamptz NOT NULL
);

CREATE TABLE auth.postern_deliveries (
  event_id   uuid NOT NULL REFERENCES auth.postern_events (id) ON DELETE CASCADE,
  subscriber text NOT NULL,
  attempts   integer NOT NULL,
  due_at     timestamptz NOT NULL, -- while one is tried: when another may try
  PRIMARY KEY (event_id, subscriber)
);

CREATE INDEX postern_deliveries_due_idx ON auth.postern_deliveries (subscriber, due_at);

-- Without a policy only the owner gets in, as with GoTrue's tables.
ALTER TABLE auth.postern_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE auth.postern_deliveries ENABLE ROW LEVEL SECURITY;
