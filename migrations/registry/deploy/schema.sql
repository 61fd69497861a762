-- The schema, its role and the config version.
BEGIN;

CREATE SCHEMA registry;
COMMENT ON SCHEMA registry IS 'What the fleet should be. Written by registryd only.';

-- What registryd's login role is a member of: rows, but no DDL. Roles belong to the whole server, so it may exist already.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'fairlead_registry') THEN
    CREATE ROLE fairlead_registry NOLOGIN;
  END IF;
END $$;
GRANT USAGE ON SCHEMA registry TO fairlead_registry;
ALTER DEFAULT PRIVILEGES IN SCHEMA registry GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO fairlead_registry;

-- One row. Each writing transaction raises `version`, and so waits for the one before it: versions are committed in order, which a
-- sequence would not promise.
CREATE TABLE registry.config_version (
  singleton      boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  epoch          bigint NOT NULL CHECK (epoch > 0),
  version        bigint NOT NULL CHECK (version > 0),
  audit_sequence bigint NOT NULL DEFAULT 0
);
-- Unix seconds as the first epoch: a database made anew is newer than any that it replaces.
INSERT INTO registry.config_version (epoch, version) VALUES (extract(epoch FROM now())::bigint, 1);

-- To be called after a restore from a backup, before registryd is started again: positions that subscribers hold may be from a
-- future that the restore has undone.
CREATE FUNCTION registry.raise_epoch() RETURNS bigint LANGUAGE sql AS $$
  UPDATE registry.config_version SET epoch = greatest(epoch + 1, extract(epoch FROM now())::bigint) RETURNING epoch;
$$;

COMMIT;
