BEGIN;
SELECT 1 / count(*) FROM registry.config_version WHERE singleton AND epoch > 0 AND version > 0;
SELECT pg_catalog.has_schema_privilege('fairlead_registry', 'registry', 'usage');
ROLLBACK;
