// Paths inside a share: always relative, always inside.
import { MAX_DEPTH, MAX_NAME_LEN, MAX_PATH_LEN } from './bindings';
import { encodeText } from './bytes';
import { ProtocolError } from './error';

declare const checked: unique symbol;

/**
 * A path within a share: names joined by `/`; never absolute, never empty, no `.`, no `..`, no NUL.
 *
 * What a platform can't hold (reserved words, trailing dots, long names) is still allowed here.
 */
export type RelPath = string & { readonly [checked]: true };

/** Checks `text`; what is no safe relative path is `manifest_invalid`. */
export function parsePath(text: string): RelPath {
  const names = text.split('/');
  const refuse = (detail: string): ProtocolError => new ProtocolError('manifest_invalid', detail);
  // A UTF-16 unit is at most three bytes, and at least one.
  const isLong = (part: string, max: number): boolean =>
    part.length > max || (part.length * 3 > max && encodeText(part).length > max);
  if (text.includes('\0')) {
    throw refuse('a path holds a NUL');
  }
  if (isLong(text, MAX_PATH_LEN) || names.length > MAX_DEPTH) {
    throw refuse('a path is too long or too deep');
  }
  for (const name of names) {
    if (name === '' || name === '.' || name === '..') {
      throw refuse('a path is absolute, empty or leaves its folder');
    }
    if (isLong(name, MAX_NAME_LEN)) {
      throw refuse('a path is too long or too deep');
    }
  }
  return text as RelPath;
}

/** The names from the top down; there is at least one. */
export function pathNames(path: RelPath): string[] {
  return path.split('/');
}

/** The last name. */
export function pathName(path: RelPath): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The path above, or nothing for a name at the top. */
export function pathParent(path: RelPath): RelPath | undefined {
  const at = path.lastIndexOf('/');
  return at === -1 ? undefined : (path.slice(0, at) as RelPath);
}

/**
 * Whether a symlink at this path to `target` stays inside the top-level folder it is in.
 *
 * Only relative targets can; the check is on the text and follows nothing.
 */
export function linkStaysInside(path: RelPath, target: string): boolean {
  // The folder that the link is in, below the top-level name.
  let depth = pathNames(path).length - 2;
  if (depth < 0 || target === '' || target.startsWith('/') || /[\0\\:]/.test(target)) {
    return false;
  }
  for (const name of target.split('/')) {
    if (name === '..') {
      depth -= 1;
    } else if (name !== '' && name !== '.') {
      depth += 1;
    }
    if (depth < 0) {
      return false;
    }
  }
  return true;
}
