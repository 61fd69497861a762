BEGIN;
SELECT id, display_name, popularity, current_version, create_time, changed_version FROM fill.title WHERE false;
SELECT title, version, position FROM fill.title_version WHERE false;
SELECT title, version, rendition, file_number, file_path, size_bytes, sha256, playlist_path FROM fill.rendition WHERE false;
ROLLBACK;
