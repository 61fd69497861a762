-- The roles stay: they belong to the whole server, and other databases may use them.
BEGIN;
DROP SCHEMA traffic CASCADE;
COMMIT;
