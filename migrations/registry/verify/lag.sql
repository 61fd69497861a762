BEGIN;
SELECT lag FROM registry.appliance WHERE false;
ROLLBACK;
