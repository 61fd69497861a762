-- The schema and its role.
BEGIN;

CREATE SCHEMA traffic;
COMMENT ON SCHEMA traffic IS 'What boxes served. Written by ingestd only, read by filld.';

-- What ingestd's login role is a member of: rows, but no DDL. Roles belong to the whole server, so it may exist already.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'fairlead_traffic') THEN
    CREATE ROLE fairlead_traffic NOLOGIN;
  END IF;
END $$;
GRANT USAGE ON SCHEMA traffic TO fairlead_traffic;
ALTER DEFAULT PRIVILEGES IN SCHEMA traffic GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO fairlead_traffic;

-- filld reads; its own project may be deployed before or after this one.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'fairlead_fill') THEN
    CREATE ROLE fairlead_fill NOLOGIN;
  END IF;
END $$;
GRANT USAGE ON SCHEMA traffic TO fairlead_fill;
ALTER DEFAULT PRIVILEGES IN SCHEMA traffic GRANT SELECT ON TABLES TO fairlead_fill;

COMMIT;
