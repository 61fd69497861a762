-- The ports of a box: a struct with a count and a speed, or nothing.
BEGIN;
ALTER TABLE registry.appliance ADD COLUMN lag jsonb;
COMMIT;
