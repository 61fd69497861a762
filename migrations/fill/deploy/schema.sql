-- The schema, its role, the feed's version and the counters.
BEGIN;

CREATE SCHEMA fill;
COMMENT ON SCHEMA fill IS 'The catalogue and who should hold what. Written by filld only.';

-- What filld's login role is a member of: rows, but no DDL. Roles belong to the whole server, so it may exist already.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'fairlead_fill') THEN
    CREATE ROLE fairlead_fill NOLOGIN;
  END IF;
END $$;
GRANT USAGE ON SCHEMA fill TO fairlead_fill;
ALTER DEFAULT PRIVILEGES IN SCHEMA fill GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO fairlead_fill;

-- One row. Each writing transaction locks it first, and so waits for the one before: versions, file numbers and plan numbers are given
-- and committed in order, without gaps, which a sequence would not promise.
CREATE TABLE fill.state (
  singleton        boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  epoch            bigint NOT NULL CHECK (epoch > 0),
  version          bigint NOT NULL CHECK (version > 0),
  next_file_number bigint NOT NULL CHECK (next_file_number BETWEEN 1 AND 4294967295),
  next_plan_number bigint NOT NULL CHECK (next_plan_number > 0)
);
-- Unix seconds as the first epoch: a database made anew is newer than any that it replaces.
INSERT INTO fill.state (epoch, version, next_file_number, next_plan_number) VALUES (extract(epoch FROM now())::bigint, 1, 1, 1);

-- To be called after a restore from a backup, before filld is started again: positions that subscribers hold may be from a future that
-- the restore has undone. File numbers jump too, because boxes may hold files under numbers that the restore has forgotten.
CREATE FUNCTION fill.raise_epoch() RETURNS bigint LANGUAGE sql AS $$
  UPDATE fill.state SET epoch = greatest(epoch + 1, extract(epoch FROM now())::bigint), next_file_number = next_file_number + 1000000
  RETURNING epoch;
$$;

COMMIT;
