BEGIN;
SELECT appliance, hour, title, version, rank, position, cause, family, fill, requests, bytes, refused_requests FROM traffic.hourly WHERE false;
SELECT cell, epoch, number FROM traffic.writer WHERE false;
SELECT 1 / (pg_catalog.has_table_privilege('fairlead_traffic', 'traffic.hourly', 'insert'))::int;
SELECT 1 / (pg_catalog.has_table_privilege('fairlead_fill', 'traffic.hourly', 'select'))::int;
ROLLBACK;
