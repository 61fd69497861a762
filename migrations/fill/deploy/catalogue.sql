-- Titles, versions and renditions. A rendition has exactly one file, and a file one playlist, so they share a row.
BEGIN;

CREATE TABLE fill.title (
  id              text PRIMARY KEY CHECK (id ~ '^[a-z0-9-]{1,63}$'),
  display_name    text NOT NULL,
  popularity      double precision NOT NULL CHECK (popularity >= 0),
  current_version text NOT NULL,
  create_time     timestamptz NOT NULL,
  changed_version bigint NOT NULL
);
CREATE INDEX ON fill.title (changed_version);

CREATE TABLE fill.title_version (
  title    text NOT NULL REFERENCES fill.title,
  version  text NOT NULL CHECK (version ~ '^[a-z0-9-]{1,63}$'),
  -- 0, 1, 2, … in the order of import.
  position integer NOT NULL CHECK (position >= 0),
  PRIMARY KEY (title, version),
  UNIQUE (title, position)
);

CREATE TABLE fill.rendition (
  title            text NOT NULL,
  version          text NOT NULL,
  rendition        text NOT NULL CHECK (rendition ~ '^[a-z0-9-]{1,63}$'),
  kind             text NOT NULL CHECK (kind IN ('VIDEO', 'AUDIO', 'TEXT')),
  bandwidth_bps    bigint NOT NULL CHECK (bandwidth_bps >= 0),
  codecs           text NOT NULL,
  width            integer NOT NULL CHECK (width >= 0),
  height           integer NOT NULL CHECK (height >= 0),
  language         text NOT NULL,
  file_number      bigint NOT NULL UNIQUE CHECK (file_number BETWEEN 1 AND 4294967295),
  file_path        text NOT NULL UNIQUE,
  size_bytes       bigint NOT NULL CHECK (size_bytes > 0),
  sha256           bytea NOT NULL CHECK (octet_length(sha256) = 32),
  duration_seconds double precision NOT NULL CHECK (duration_seconds > 0),
  segment_count    integer NOT NULL CHECK (segment_count > 0),
  playlist_path    text NOT NULL UNIQUE,
  playlist_bytes   bigint NOT NULL CHECK (playlist_bytes > 0),
  playlist_sha256  bytea NOT NULL CHECK (octet_length(playlist_sha256) = 32),
  PRIMARY KEY (title, version, rendition),
  FOREIGN KEY (title, version) REFERENCES fill.title_version
);

COMMIT;
