// Where single files are, and whose fault it is if they can't be.
import { sha256 } from '@noble/hashes/sha2.js';
import { encodeBase64, encodeText } from '../../protocol/bytes';
import type { Folder } from './folders';
import type { FileRecord } from './journal';
import type { Loss } from './store';
import { nameOf } from './trouble';

/** Why a single file can't be written; throws again what is not the file's own. */
export function lossOf(error: unknown): Loss {
  switch (nameOf(error)) {
    // One that this disk can't hold, or is too long for it.
    case 'TypeError':
    case 'InvalidStateError':
      return 'name';
    // The browser thinks that it is dangerous, something holds it open, or a folder has its name.
    case 'AbortError':
    case 'NoModificationAllowedError':
    case 'InvalidModificationError':
    case 'TypeMismatchError':
      return 'disk';
    default:
      throw error;
  }
}

/** The name that a record says the file has in `folder`, if it is of that folder. */
export function nameIn(folder: Folder, { as }: FileRecord): string | undefined {
  const name = as.startsWith(prefix(folder)) ? as.slice(prefix(folder).length) : '';
  return name === '' || name.includes('/') ? undefined : name;
}

function prefix(folder: Folder): string {
  return folder.as === '' ? '' : `${folder.as}/`;
}

/** The path under which `name` in `folder` is written. */
export function placeOf(folder: Folder, name: string): string {
  return prefix(folder) + name;
}

/** What the staged content of the file at `path` is called. */
export function stagingName(path: string): string {
  return encodeBase64(sha256(encodeText(path)).subarray(0, 16));
}
