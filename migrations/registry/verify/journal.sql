BEGIN;
SELECT sequence, time, principal, method, resource, config_version, before, after FROM registry.audit WHERE false;
SELECT request_id, method, body_sha256, result, create_time FROM registry.request WHERE false;
SELECT appliance, token_sha256, issue_time, installation_id, enroll_time FROM registry.enrollment WHERE false;
ROLLBACK;
