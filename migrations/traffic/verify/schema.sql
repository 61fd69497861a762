BEGIN;
SELECT 1 / (pg_catalog.has_schema_privilege('fairlead_traffic', 'traffic', 'usage'))::int;
SELECT 1 / (pg_catalog.has_schema_privilege('fairlead_fill', 'traffic', 'usage'))::int;
ROLLBACK;
