BEGIN;
ALTER TABLE registry.appliance DROP COLUMN lag;
COMMIT;
