BEGIN;
-- A policy without a body can't stand.
DELETE FROM registry.policy WHERE drain IS NOT NULL;
ALTER TABLE registry.policy DROP CONSTRAINT policy_check;
ALTER TABLE registry.policy DROP COLUMN drain;
ALTER TABLE registry.policy ADD CONSTRAINT policy_check CHECK (num_nonnulls(steering, health) = 1);
ALTER TABLE registry.appliance DROP COLUMN drain;
DROP TABLE registry.drain;
DELETE FROM registry.retired_id WHERE kind = 'drain';
COMMIT;
