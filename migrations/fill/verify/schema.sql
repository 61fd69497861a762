BEGIN;
SELECT 1 / count(*) FROM fill.state WHERE singleton AND epoch > 0 AND version > 0 AND next_file_number > 0 AND next_plan_number > 0;
SELECT pg_catalog.has_schema_privilege('fairlead_fill', 'fill', 'usage');
ROLLBACK;
