BEGIN;
DROP TABLE fill.rendition;
DROP TABLE fill.title_version;
DROP TABLE fill.title;
COMMIT;
