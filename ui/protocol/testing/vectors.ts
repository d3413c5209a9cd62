// Reads the shared vectors, for tests: what the Rust code makes of fixed inputs.
import { readFileSync } from 'node:fs';
import { type Bytes, encodeBase64 } from '../bytes';
import { type ShareId } from '../id';

/** The vectors of this name, as the test that reads them knows them. */
export function vectors<T>(name: string): T {
  const path = new URL(`../../../tests/vectors/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(path, 'utf8')) as T;
}

/** The bytes of a text in base 16. */
export function bytes(hex: string): Bytes {
  return new Uint8Array(Array.from(hex.matchAll(/../g), ([pair]) => Number.parseInt(pair, 16)));
}

/** Bytes in base 16. */
export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The share id with these bytes. */
export function share(hex: string): ShareId {
  return encodeBase64(bytes(hex)) as ShareId;
}
