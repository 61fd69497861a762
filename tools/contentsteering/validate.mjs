// Gives steering manifests to the validator of @svta/common-media-library, after one that it must refuse: node validate.mjs FILE...
import { readFileSync } from 'node:fs';
import { isValidSteeringManifest } from '@svta/common-media-library/contentsteering/isValidSteeringManifest.js';

if (isValidSteeringManifest({ VERSION: 1, TTL: 30 })) {
    console.error('the validator takes a manifest without pathways: it checks nothing');
    process.exit(2);
}

// Node 18, Debian's, has no URL.canParse.
function isUrl(text) {
    try {
        return Boolean(new URL(text));
    } catch {
        return false;
    }
}

let bad = 0;
for (const file of process.argv.slice(2)) {
    const manifest = JSON.parse(readFileSync(file, 'utf8'));
    const good = isValidSteeringManifest(manifest) && manifest['PATHWAY-PRIORITY'].length >= 2 && isUrl(manifest['RELOAD-URI']);
    console.log(`${file}: ${good ? 'valid' : 'NOT VALID'}`);
    bad += good ? 0 : 1;
}
process.exit(bad > 0 || process.argv.length < 3 ? 1 : 0);
