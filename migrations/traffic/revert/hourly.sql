BEGIN;
DROP TABLE traffic.writer;
DROP TABLE traffic.hourly;
COMMIT;
