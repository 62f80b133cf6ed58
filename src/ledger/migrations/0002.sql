-- Version 2: what reading the bytes of blocks has shown.

-- One row per block: the verification that counts.
CREATE TABLE verifications (
  block    INTEGER PRIMARY KEY REFERENCES blocks (id),
  at       INTEGER NOT NULL,               -- when it ended
  level    TEXT NOT NULL,                  -- quick, index, checksum, full
  version  INTEGER NOT NULL,               -- of the verifier
  verdict  TEXT NOT NULL,                  -- ok, changed, unreachable, suspect, corrupt
  bytes    INTEGER NOT NULL,               -- read and proven
  samples  INTEGER NOT NULL,
  identity INTEGER NOT NULL,               -- of what was read, the bits of a 64-bit number; of other content it says nothing
  problems TEXT,                           -- JSON: rules that are broken, and where
  why      TEXT,                           -- why nothing is known
  compared INTEGER NOT NULL,               -- 0, 1: every object had the hash that it had at first sight, or a problem says otherwise
  tried_at INTEGER                         -- newest attempt since that showed nothing
) STRICT;

-- SHA-256 of each object as the first clean verification read it. Never replaced.
CREATE TABLE hashes (
  block  INTEGER NOT NULL REFERENCES blocks (id),
  name   INTEGER NOT NULL REFERENCES names (id),
  sha256 BLOB NOT NULL,
  at     INTEGER NOT NULL,                 -- kept since
  late   INTEGER NOT NULL,                 -- 0, 1: the object had already changed since its first sight
  PRIMARY KEY (block, name)
) STRICT, WITHOUT ROWID;

CREATE VIEW readable_verifications AS
  SELECT buckets.name AS bucket, blocks.ulid, labels.json AS labels, verifications.level, version, verdict, bytes,
    verifications.samples,
    datetime(at / 1000, 'unixepoch') AS at, datetime(tried_at / 1000, 'unixepoch') AS tried_at, compared, why,
    verifications.problems
  FROM verifications JOIN blocks ON blocks.id = verifications.block JOIN buckets ON buckets.id = blocks.bucket
    LEFT JOIN metas ON metas.block = blocks.id LEFT JOIN labels ON labels.id = metas.labels;
