// Checks the token of a signed URL: libs/signing/README.md has the format and the order of the checks; libs/signing/token_verifier.cc is
// the same in C++. Called once for a new (token, title, version): NGINX caches an accepted verdict until the token expires.
//
// Request headers: X-Token, X-Title, X-Version; X-Fill-Only is "1" where play tokens are refused. Answer: 204 with what the access log
// wants to know, or 403 with the reason in X-Refused.
import keys from 'keys.js';

const MAX_TOKEN_SIZE = 2048;
const SKEW_SECONDS = 60;
const CAUSES = ['none', 'content', 'health', 'capacity', 'route', 'admin'];
const SCOPES = ['play', 'fill'];

function isWhole(value, most) {
    return typeof value === 'number' && Math.floor(value) === value && value >= 0 && value <= most;
}

// njs decodes leniently; only what encodes back to the same text is taken.
function decode(text) {
    const bytes = Buffer.from(text, 'base64url');
    return bytes.toString('base64url') === text ? bytes : null;
}

function parseObject(bytes) {
    try {
        const value = JSON.parse(bytes.toString());
        return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : null;
    } catch (e) {
        return null;
    }
}

function claimsAreOurs(claims) {
    return claims.iss === 'fairlead' && claims.cdniv === 1 && isWhole(claims.iat, 1e12) && isWhole(claims.nbf, 1e12) &&
        isWhole(claims.exp, 1e12) && isWhole(claims.rk, 3) && isWhole(claims.ps, 31) && CAUSES.indexOf(claims.mc) >= 0 &&
        SCOPES.indexOf(claims.sc) >= 0 && typeof claims.cdniuc === 'string' &&
        (claims.sb === undefined || (typeof claims.sb === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(claims.sb)));
}

async function judge(token, title, version, fillOnly, now) {
    const parts = token.split('.');
    if (token.length > MAX_TOKEN_SIZE || parts.length !== 3) return { fault: 'MALFORMED' };
    const headerBytes = decode(parts[0]);
    const claimsBytes = decode(parts[1]);
    const signature = decode(parts[2]);
    if (!headerBytes || !claimsBytes || !signature) return { fault: 'MALFORMED' };
    const header = parseObject(headerBytes);
    if (!header) return { fault: 'MALFORMED' };
    if (header.alg !== 'ES256') return { fault: 'BAD_ALGORITHM' };
    if (typeof header.kid !== 'string' || !Object.prototype.hasOwnProperty.call(keys, header.kid)) return { fault: 'UNKNOWN_KEY' };
    if (signature.length !== 64) return { fault: 'BAD_SIGNATURE' };
    const ec = { name: 'ECDSA', namedCurve: 'P-256' };
    const key = await crypto.subtle.importKey('spki', Buffer.from(keys[header.kid], 'base64'), ec, false, ['verify']);
    const good = await crypto.subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, key, signature, parts[0] + '.' + parts[1]);
    if (!good) return { fault: 'BAD_SIGNATURE' };
    const claims = parseObject(claimsBytes);
    if (!claims || !claimsAreOurs(claims)) return { fault: 'BAD_CLAIMS' };
    if (now < claims.nbf - SKEW_SECONDS) return { fault: 'NOT_YET_VALID' };
    if (now >= claims.exp + SKEW_SECONDS) return { fault: 'EXPIRED' };
    // Ids have no character that means anything in a regular expression, so the template and the prefix compare as text.
    if (claims.cdniuc !== 'regex:https?://[^/]+/' + title + '/' + version + '/.*') return { fault: 'OTHER_PATH' };
    if (fillOnly && claims.sc !== 'fill') return { fault: 'OTHER_SCOPE' };
    return { claims: claims };
}

async function check(r) {
    let verdict;
    try {
        verdict = await judge(r.headersIn['X-Token'], r.headersIn['X-Title'], r.headersIn['X-Version'],
                              r.headersIn['X-Fill-Only'] === '1', Math.floor(Date.now() / 1000));
    } catch (e) {
        verdict = { fault: 'MALFORMED' };
    }
    if (verdict.fault) {
        r.headersOut['X-Refused'] = verdict.fault;
        r.headersOut['X-Accel-Expires'] = '0';
        r.return(403);
        return;
    }
    const claims = verdict.claims;
    r.headersOut['X-Rank'] = String(claims.rk);
    r.headersOut['X-Position'] = String(claims.ps);
    r.headersOut['X-Cause'] = claims.mc;
    r.headersOut['X-Scope'] = claims.sc;
    r.headersOut['X-Accel-Expires'] = '@' + (claims.exp + SKEW_SECONDS);
    r.return(204);
}

export default { check };
