BEGIN;
DROP TABLE fill.request;
DROP TABLE fill.plan_short_file;
DROP TABLE fill.plan_box;
DROP TABLE fill.plan_cluster;
DROP TABLE fill.plan;
COMMIT;
