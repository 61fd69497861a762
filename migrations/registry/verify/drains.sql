BEGIN;
SELECT id, uid, generation, create_time, update_time, changed_version, target, start_time, end_time, reason, phase, boxes
  FROM registry.drain WHERE false;
SELECT drain FROM registry.appliance WHERE false;
SELECT drain FROM registry.policy WHERE false;
ROLLBACK;
