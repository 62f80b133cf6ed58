-- Version 1. All times are milliseconds since 1970-01-01T00:00:00Z.

-- One row per storage location. `key` holds type, endpoint, account, bucket and prefix, separated by U+001F; the name
-- is only what output calls it and may change.
CREATE TABLE buckets (
  id          INTEGER PRIMARY KEY,
  key         TEXT NOT NULL UNIQUE,
  name        TEXT NOT NULL,
  provider    TEXT NOT NULL,
  first_scan  INTEGER,                     -- first and last pass whose listing was complete
  last_scan   INTEGER,
  detail_from INTEGER                      -- before this moment the past is no longer whole: it was pruned
) STRICT;

-- Passes with a complete listing.
CREATE TABLE scans (
  bucket  INTEGER NOT NULL REFERENCES buckets (id),
  at      INTEGER NOT NULL,
  objects INTEGER NOT NULL,                -- keys, foreign ones included
  bytes   INTEGER NOT NULL,
  PRIMARY KEY (bucket, at)
) STRICT, WITHOUT ROWID;

-- One row per block ever seen. A block that has not ended was there at its bucket's last scan.
CREATE TABLE blocks (
  id              INTEGER PRIMARY KEY,
  bucket          INTEGER NOT NULL REFERENCES buckets (id),
  ulid            TEXT NOT NULL,
  first_seen      INTEGER NOT NULL,
  meta_since      INTEGER,                 -- meta.json listed for the first time: from then on the baseline stands
  complete_since  INTEGER,                 -- first seen with every object that meta.json implies
  changed_at      INTEGER,                 -- last time that the objects were found to differ from the baseline
  ended_at        INTEGER,                 -- first found gone
  end_reason      TEXT,                    -- superseded, expired, marked, partial, vanished
  lineage         TEXT,                    -- JSON: what is known of its ancestors
  meta_unknown    TEXT,                    -- why the meta.json that is listed could not be read
  meta_difference TEXT,                    -- JSON: [["key: old → new", …], whether it matters]
  UNIQUE (bucket, ulid)
) STRICT;
CREATE INDEX blocks_live ON blocks (bucket) WHERE ended_at IS NULL;
CREATE INDEX blocks_ended ON blocks (bucket, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX blocks_vanished ON blocks (bucket) WHERE end_reason = 'vanished';

-- Sets of external labels.
CREATE TABLE labels (
  id   INTEGER PRIMARY KEY,
  json TEXT NOT NULL UNIQUE
) STRICT;

-- Lists of level-1 ancestors, shared by all blocks that have the same.
CREATE TABLE source_lists (
  id    INTEGER PRIMARY KEY,
  hash  BLOB NOT NULL UNIQUE,              -- SHA-256 of ulids
  ulids BLOB NOT NULL                      -- 16 bytes each
) STRICT;

-- What each meta.json says, as last read. Without labels: what could not be placed in a stream.
CREATE TABLE metas (
  block           INTEGER PRIMARY KEY REFERENCES blocks (id),
  labels          INTEGER REFERENCES labels (id),
  ulid            TEXT,                    -- as written; NULL if missing
  min_time        INTEGER,
  max_time        INTEGER,
  samples         INTEGER,
  series          INTEGER,
  chunks          INTEGER,
  tombstones      INTEGER,
  level           INTEGER,
  resolution      TEXT,                    -- raw, 5m, 1h
  source          TEXT,                    -- thanos.source
  hinted          INTEGER,                 -- 0, 1
  failed          INTEGER,                 -- 0, 1
  segments        INTEGER,
  upload_time     INTEGER,
  sources         INTEGER REFERENCES source_lists (id), -- NULL: the block itself, alone
  parents         TEXT,                    -- JSON: [["ULID", min_time, max_time], …]
  rewrite_sources TEXT,                    -- JSON: ["ULID", …]
  files           TEXT,                    -- JSON: [["name", size, "sha256"], …]
  problems        TEXT                     -- JSON: what is wrong with it
) STRICT;
CREATE INDEX metas_sources ON metas (sources) WHERE sources IS NOT NULL;

-- The first meta.json, for the blocks where it has been replaced by another since. Columns as in metas.
CREATE TABLE metas_first (
  block           INTEGER PRIMARY KEY REFERENCES blocks (id),
  labels          INTEGER REFERENCES labels (id),
  ulid            TEXT,
  min_time        INTEGER,
  max_time        INTEGER,
  samples         INTEGER,
  series          INTEGER,
  chunks          INTEGER,
  tombstones      INTEGER,
  level           INTEGER,
  resolution      TEXT,
  source          TEXT,
  hinted          INTEGER,
  failed          INTEGER,
  segments        INTEGER,
  upload_time     INTEGER,
  sources         INTEGER REFERENCES source_lists (id),
  parents         TEXT,
  rewrite_sources TEXT,
  files           TEXT,
  problems        TEXT
) STRICT;
CREATE INDEX metas_first_sources ON metas_first (sources) WHERE sources IS NOT NULL;

-- Paths inside of block directories.
CREATE TABLE names (
  id   INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

-- The objects of each block at its baseline: as first seen with meta.json present, until then as last seen.
CREATE TABLE objects (
  block    INTEGER NOT NULL REFERENCES blocks (id),
  name     INTEGER NOT NULL REFERENCES names (id),
  size     INTEGER NOT NULL,
  modified INTEGER NOT NULL,
  etag     TEXT,
  class    TEXT,                           -- storage class; NULL for the provider's default
  PRIMARY KEY (block, name)
) STRICT, WITHOUT ROWID;

-- All objects as last listed, for the blocks where that is no longer the baseline.
CREATE TABLE objects_now (
  block    INTEGER NOT NULL REFERENCES blocks (id),
  name     INTEGER NOT NULL REFERENCES names (id),
  size     INTEGER NOT NULL,
  modified INTEGER NOT NULL,
  etag     TEXT,
  class    TEXT,
  PRIMARY KEY (block, name)
) STRICT, WITHOUT ROWID;

-- Marks that were listed when the block was last seen.
CREATE TABLE marks (
  block        INTEGER NOT NULL REFERENCES blocks (id),
  kind         TEXT NOT NULL,              -- deletion, no-compact, no-downsample
  first_seen   INTEGER NOT NULL,
  time         INTEGER,                    -- what it says, as last read
  text         TEXT,
  problem_kind TEXT,                       -- read and not understood
  problem      TEXT,
  unknown      TEXT,                       -- why it could not be read the last time
  PRIMARY KEY (block, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE streams (
  bucket          INTEGER NOT NULL REFERENCES buckets (id),
  labels          INTEGER NOT NULL REFERENCES labels (id),
  first_seen      INTEGER NOT NULL,
  newest_max_time INTEGER NOT NULL,        -- of its raw blocks, ever
  PRIMARY KEY (bucket, labels)
) STRICT, WITHOUT ROWID;

-- Retention as it was declared, a row for each change.
CREATE TABLE retention (
  bucket       INTEGER NOT NULL REFERENCES buckets (id),
  since        INTEGER NOT NULL,
  resolution   TEXT NOT NULL,
  retention_ms INTEGER,                    -- 0 = for ever, NULL = undeclared
  PRIMARY KEY (bucket, since, resolution)
) STRICT, WITHOUT ROWID;

-- Findings, open ones (ended_at IS NULL) and past ones.
CREATE TABLE findings (
  id             INTEGER PRIMARY KEY,
  bucket         INTEGER NOT NULL REFERENCES buckets (id),
  fingerprint    TEXT NOT NULL,
  check_id       TEXT NOT NULL,
  severity       TEXT NOT NULL,
  since          INTEGER NOT NULL,
  last_judged    INTEGER NOT NULL,         -- when what it says was last written
  ended_at       INTEGER,
  end            TEXT,                     -- resolved, expired, retired, unwatched
  stream         TEXT,                     -- JSON
  resolution     TEXT,
  block          TEXT,
  object         TEXT,
  start          INTEGER,
  interval_start INTEGER,
  interval_end   INTEGER,
  deadline       INTEGER,
  message        TEXT NOT NULL,
  remedy         TEXT NOT NULL,
  evidence       TEXT NOT NULL             -- JSON
) STRICT;
CREATE UNIQUE INDEX findings_open ON findings (bucket, fingerprint) WHERE ended_at IS NULL;
CREATE INDEX findings_ended ON findings (bucket, ended_at) WHERE ended_at IS NOT NULL;

-- For people with a SQL prompt.
CREATE VIEW readable_blocks AS
  SELECT buckets.name AS bucket, blocks.ulid, labels.json AS labels, resolution, level, source,
    datetime(min_time / 1000, 'unixepoch') AS min_time, datetime(max_time / 1000, 'unixepoch') AS max_time,
    series, samples, datetime(blocks.first_seen / 1000, 'unixepoch') AS first_seen,
    datetime(coalesce(ended_at, last_scan) / 1000, 'unixepoch') AS last_seen_or_ended, end_reason
  FROM blocks JOIN buckets ON buckets.id = blocks.bucket LEFT JOIN metas ON metas.block = blocks.id
    LEFT JOIN labels ON labels.id = metas.labels;
CREATE VIEW readable_objects AS
  SELECT buckets.name AS bucket, blocks.ulid, names.name, size, datetime(modified / 1000, 'unixepoch') AS modified,
    etag, class
  FROM objects JOIN names ON names.id = objects.name JOIN blocks ON blocks.id = objects.block
    JOIN buckets ON buckets.id = blocks.bucket;
CREATE VIEW readable_findings AS
  SELECT buckets.name AS bucket, check_id AS "check", severity, datetime(since / 1000, 'unixepoch') AS since,
    datetime(ended_at / 1000, 'unixepoch') AS ended, end, stream, block, object, message
  FROM findings JOIN buckets ON buckets.id = findings.bucket;
