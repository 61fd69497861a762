BEGIN;
SELECT number, create_time, changed_version FROM fill.plan WHERE false;
SELECT plan, cluster, copies FROM fill.plan_cluster WHERE false;
SELECT plan, appliance, cluster, generation, files, bytes, capacity_bytes, files_added, files_removed, entries FROM fill.plan_box WHERE false;
SELECT plan, cluster, file_number, copies_placed, reason FROM fill.plan_short_file WHERE false;
SELECT request_id, kind, fingerprint, created, create_time FROM fill.request WHERE false;
ROLLBACK;
