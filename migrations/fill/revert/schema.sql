-- The role stays: it belongs to the whole server, and other databases may use it.
BEGIN;
DROP SCHEMA fill CASCADE;
COMMIT;
