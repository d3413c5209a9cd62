// How a name from a manifest is written where it can't be held as it is; the twin of `src-tauri/protocol/src/name.rs`.
import { sha256 } from '@noble/hashes/sha2.js';
import { encodeText } from '../../protocol/bytes';

/** Which rules for names hold where the files end up. */
export type Platform = 'unix' | 'macos' | 'windows';

/** What every file of Sluice's own in a destination starts with, in any case. */
const OWN = /^\.sluice-/i;
const FORBIDDEN: Readonly<Record<Platform, RegExp>> = {
  unix: /[/\0]/g,
  macos: /[/\0:]/g,
  // eslint-disable-next-line no-control-regex -- that they are refused is the point
  windows: /[\x00-\x1f\x7f-\x9f<>:"/\\|?*]/g,
};
// With any extension; the superscript digits too.
const DEVICE = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\.|$)/i;
const MAX_UNITS = 255;
// Chromium writes to NAME.crswap first.
const MAX_PICKED_UNITS = MAX_UNITS - '.crswap'.length;
const MAX_NUMBER = 100_000;

/** The platform that a browser says it runs on. */
export function platformOf(userAgent: string): Platform {
  if (/windows/i.test(userAgent)) {
    return 'windows';
  }
  return /mac os|macintosh|iphone|ipad/i.test(userAgent) ? 'macos' : 'unix';
}

/** `name` as `platform` can hold it: itself, or a changed form that is the same each time. Two may become one. */
export function portable(name: string, platform: Platform): string {
  return shortened(mended(name, platform), platform, MAX_UNITS);
}

/**
 * `name` as Chromium lets a page write it into a folder of the person's: on every system it refuses what Windows can't
 * hold and what might start something (tried out: control and format characters, `~` and white space at either end, two
 * dots in front, shortcuts, `desktop.ini`), with a `TypeError` each.
 */
export function pickable(name: string, platform: Platform): string {
  const out = mended(name.replace(/[\p{Cf}\p{Noncharacter_Code_Point}]/gu, '_'), 'windows')
    .replace(/^(\s|~|\.(?=\.))/u, '_')
    .replace(/[\s~]$/u, '_')
    .replace(/\.(lnk|url|scf|\{.*\})$/i, '.$1_')
    .replace(/^(desktop\.ini|thumbs\.db)$/i, '_$1');
  return shortened(out, platform, MAX_PICKED_UNITS);
}

/** `name` with nothing but letters, digits and single dots: for a browser that refuses {@link pickable}. */
export function plainest(name: string, platform: Platform): string {
  const out = name.replace(/[^\p{L}\p{N}.]/gu, '_').replace(/\.(?=\.|$)/g, '_');
  return shortened(`_${out}`, platform, MAX_PICKED_UNITS);
}

function mended(name: string, platform: Platform): string {
  let out = OWN.test(name) ? `_${name}` : name;
  out = out.replace(FORBIDDEN[platform], '_');
  if (platform === 'windows') {
    out = out.replace(/[. ]+$/, '_');
    out = DEVICE.test(out) ? `_${out}` : out;
  }
  return out;
}

/** `name` with ` (number)` before its extension, shortened where it must be. */
export function numbered(name: string, number: number, platform: Platform): string {
  const [stem, extension] = splitExtension(name);
  const tail = ` (${number})${extension}`;
  return cut(stem, platform, MAX_PICKED_UNITS - units(tail, platform)) + tail;
}

/** What is one name for a file system that passes over case and composition. */
export function folded(name: string): string {
  return name.normalize('NFC').toLowerCase().normalize('NFC');
}

/** The first numbered form of `plain` for which `isFree` says so, from 2 on; `undefined` if there is none. */
export async function nextName(
  plain: string,
  platform: Platform,
  isFree: (name: string) => boolean | Promise<boolean>,
): Promise<string | undefined> {
  for (let number = 2; number < MAX_NUMBER; number += 1) {
    const name = numbered(plain, number, platform);
    if (await isFree(name)) {
      return name;
    }
  }
  return undefined;
}

function splitExtension(name: string): [string, string] {
  const at = name.lastIndexOf('.');
  return at > 0 && name.length - at <= 16 ? [name.slice(0, at), name.slice(at)] : [name, ''];
}

function units(text: string, platform: Platform): number {
  return platform === 'unix' ? encodeText(text).length : text.length;
}

// Keeps the start and the extension; a hash of the whole keeps names that differ late apart.
function shortened(name: string, platform: Platform, max: number): string {
  if (units(name, platform) <= max) {
    return name;
  }
  const hash = sha256(encodeText(name)).subarray(0, 4);
  const mark = `~${Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
  const [stem, extension] = splitExtension(name);
  const tail = mark + extension;
  return cut(stem, platform, max - units(tail, platform)) + tail;
}

// The start of `text` that has at most `max` units, in whole characters.
function cut(text: string, platform: Platform, max: number): string {
  if (units(text, platform) <= max) {
    return text;
  }
  let kept = '';
  let used = 0;
  for (const character of text) {
    used += units(character, platform);
    if (used > max) {
      break;
    }
    kept += character;
  }
  return kept;
}
