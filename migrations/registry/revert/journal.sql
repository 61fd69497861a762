BEGIN;
DROP TABLE registry.enrollment;
DROP TABLE registry.request;
DROP TABLE registry.audit;
COMMIT;
