-- Version 3: alerts, and who is told.

-- Alerts that are pending, fire, or ended of late. `alert` is all of it, the other columns are for people.
CREATE TABLE alerts (
  fingerprint TEXT PRIMARY KEY,
  name        TEXT NOT NULL,
  phase       TEXT NOT NULL,               -- pending, firing, ended
  severity    TEXT NOT NULL,
  bucket      TEXT NOT NULL,
  since       INTEGER NOT NULL,
  ended_at    INTEGER,
  alert       TEXT NOT NULL                -- JSON
) STRICT, WITHOUT ROWID;

-- Alerts that one receiver is told together, and what it was told.
CREATE TABLE alert_groups (
  receiver TEXT NOT NULL,
  key      TEXT NOT NULL,
  incident TEXT NOT NULL,                  -- empty: nothing was told yet
  told_at  INTEGER,
  content  TEXT NOT NULL,                  -- JSON
  PRIMARY KEY (receiver, key)
) STRICT, WITHOUT ROWID;

-- Silences that were not configured.
CREATE TABLE silences (
  id       TEXT PRIMARY KEY,
  matchers TEXT NOT NULL,
  starts   INTEGER NOT NULL,
  ends     INTEGER NOT NULL,
  author   TEXT NOT NULL,
  comment  TEXT NOT NULL,
  created  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Notifications on their way, each to one recipient of one receiver.
CREATE TABLE outbox (
  number       INTEGER PRIMARY KEY,        -- the order in which they were decided
  id           TEXT NOT NULL UNIQUE,
  receiver     TEXT NOT NULL,
  recipient    TEXT NOT NULL,              -- empty: the receiver has one
  lane         TEXT NOT NULL,              -- what arrives in order
  state        TEXT NOT NULL,              -- pending, inflight, sent, dead, coalesced
  reason       TEXT NOT NULL,
  incident     TEXT NOT NULL,
  created      INTEGER NOT NULL,
  not_before   INTEGER NOT NULL,
  deadline     INTEGER NOT NULL,
  attempts     INTEGER NOT NULL,
  uncertain    INTEGER NOT NULL,           -- 0, 1: it may have arrived before
  plain        INTEGER NOT NULL,           -- 0, 1: as plain text, since it was refused otherwise
  error        TEXT,                       -- what went wrong last
  instead_of   TEXT,                       -- the receiver that was to have it and could not
  settled_at   INTEGER,                    -- sent, given up or told as part of another one at
  told_in      TEXT,                       -- id of the one that it was told as part of
  resent_as    TEXT,                       -- id of the one that was made of it after it had been given up
  notification TEXT NOT NULL               -- JSON
) STRICT;
CREATE INDEX outbox_waiting ON outbox (number) WHERE state IN ('pending', 'inflight');
CREATE INDEX outbox_settled ON outbox (settled_at) WHERE state IN ('sent', 'coalesced');
CREATE INDEX outbox_dead ON outbox (settled_at) WHERE state = 'dead';

-- What the next message of an incident needs in order to belong to those before it.
CREATE TABLE threads (
  receiver  TEXT NOT NULL,
  recipient TEXT NOT NULL,
  incident  TEXT NOT NULL,
  thread    TEXT NOT NULL,                 -- JSON
  used_at   INTEGER NOT NULL,
  PRIMARY KEY (receiver, recipient, incident)
) STRICT, WITHOUT ROWID;
CREATE INDEX threads_used ON threads (used_at);

-- How it went with each receiver.
CREATE TABLE receivers (
  name          TEXT PRIMARY KEY,
  last_success  INTEGER,
  failing_since INTEGER,                   -- nothing has arrived since
  failure       TEXT,                      -- the class of the last failure; empty once something arrived
  error         TEXT
) STRICT, WITHOUT ROWID;

CREATE VIEW readable_alerts AS
  SELECT name, phase, severity, bucket, datetime(since / 1000, 'unixepoch') AS since,
    datetime(ended_at / 1000, 'unixepoch') AS ended, alert ->> '$.content.message' AS message, fingerprint
  FROM alerts;
CREATE VIEW readable_silences AS
  SELECT id, matchers, datetime(starts / 1000, 'unixepoch') AS starts, datetime(ends / 1000, 'unixepoch') AS ends,
    author, comment, datetime(created / 1000, 'unixepoch') AS created
  FROM silences;
CREATE VIEW readable_outbox AS
  SELECT number, id, receiver, recipient, lane, state, reason, datetime(outbox.created / 1000, 'unixepoch') AS created,
    datetime(not_before / 1000, 'unixepoch') AS not_before, datetime(deadline / 1000, 'unixepoch') AS deadline,
    attempts, uncertain, error, instead_of, datetime(settled_at / 1000, 'unixepoch') AS settled, told_in, resent_as
  FROM outbox;
CREATE VIEW readable_receivers AS
  SELECT name, datetime(last_success / 1000, 'unixepoch') AS last_success,
    datetime(failing_since / 1000, 'unixepoch') AS failing_since, failure, error
  FROM receivers;
