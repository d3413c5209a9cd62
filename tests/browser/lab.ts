// Folders with real files in them, made from a seed, and what is the same in two of them.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A folder of a test's own; gone with it. */
export class Scratch implements AsyncDisposable {
  private constructor(readonly path: string) {}

  static async make(): Promise<Scratch> {
    return new Scratch(await mkdtemp(join(tmpdir(), 'sluice-browser-')));
  }

  /** A path in it. */
  at(...names: string[]): string {
    return join(this.path, ...names);
  }

  /** A folder in it, made. */
  async folder(...names: string[]): Promise<string> {
    const path = this.at(...names);
    await mkdir(path, { recursive: true });
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

/** Bytes that no two seeds have in common, and that don't repeat within a file. */
export function bytes(seed: number, length: number): Buffer {
  const made = Buffer.allocUnsafe(length);
  let state = (seed * 2_654_435_761 + 1) >>> 0;
  for (let at = 0; at + 4 <= length; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    made.writeUInt32LE((state ^ (state >>> 15)) >>> 0, at);
  }
  made.fill(seed & 0xff, length - (length % 4));
  return made;
}

/** Writes a file with what `seed` gives, last changed at a moment that is not now. */
export async function write(path: string, seed: number, length: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes(seed, length));
  const then = new Date(Date.UTC(2024, 1, 3, 4, 5, 6 + (seed % 50)));
  await utimes(path, then, then);
}

/** A folder as people have them: an empty one in it, names that are not English, many small files, and some larger ones. */
export async function fill(
  top: string,
  small: number,
  large: readonly number[] = [],
): Promise<void> {
  await mkdir(join(top, 'nothing here yet'), { recursive: true });
  await write(join(top, 'Grüße', '你好 мир.txt'), 1, 1234);
  await write(join(top, 'empty.bin'), 2, 0);
  for (let n = 0; n < small; n += 1) {
    await write(join(top, `part ${n % 7}`, `file ${n}.dat`), 100 + n, (n * 997) % 9000);
  }
  for (const [n, length] of large.entries()) {
    await write(join(top, `large ${n}.bin`), 10_000 + n, length);
  }
}

/** What a folder holds: SHA-256 by path of each file, `/` for each folder. */
export async function contents(top: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const path of (await readdir(top, { recursive: true })).sort()) {
    const full = join(top, path);
    found.set(path, (await stat(full)).isDirectory() ? '/' : await digest(full));
  }
  return found;
}

/** SHA-256 of a file. */
export async function digest(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) {
    hash.update(chunk as Buffer);
  }
  return hash.digest('hex');
}
