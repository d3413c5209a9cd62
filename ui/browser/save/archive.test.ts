// @vitest-environment node
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { CHUNK_SIZE, type Entry, type EntryKind, type Want } from '../../protocol/bindings';
import type { Bytes } from '../../protocol/bytes';
import { chunkCount, chunkLen } from '../../protocol/frame';
import { parsePath } from '../../protocol/path';
import { Archive, type Filed, type Keeper, type Sink } from './archive';
import type { Destination, SavingReport } from './destination';
import { Saving } from './saving';

/** A sink in memory that loses what was not flushed when it is told to. */
class Bucket implements Sink {
  bytes = new Uint8Array(0);
  ended = false;

  constructor(readonly seeks: boolean) {}

  async write(at: number, bytes: Bytes): Promise<void> {
    await Promise.resolve();
    const from = this.seeks ? at : this.bytes.length;
    expect(this.seeks || at === from).toBe(true);
    const grown = new Uint8Array(Math.max(this.bytes.length, from + bytes.length));
    grown.set(this.bytes);
    grown.set(bytes, from);
    this.bytes = grown;
    // Given away, as to a worker.
    structuredClone(bytes, { transfer: [bytes.buffer] });
  }

  async end(length: number): Promise<void> {
    this.ended = true;
    this.bytes = this.bytes.slice(0, length);
  }

  async close(): Promise<void> {
    // Nothing is held.
  }

  async discard(): Promise<void> {
    this.bytes = new Uint8Array(0);
  }
}

class Memory implements Keeper {
  readonly kept = new Map<string, Filed>();
  end = 0;

  async load(): Promise<{ entries: Filed[]; end: number }> {
    return { entries: [...this.kept.values()].map((filed) => ({ ...filed })), end: this.end };
  }

  async keep(
    changed: readonly Filed[],
    forgotten: readonly string[],
    now: { end: number },
  ): Promise<void> {
    forgotten.forEach((path) => this.kept.delete(path));
    changed.forEach((filed) => this.kept.set(filed.path, { ...filed }));
    this.end = now.end;
  }

  async remove(): Promise<void> {
    this.kept.clear();
  }
}

const mtime = { seconds: 1_700_000_000, nanos: 0 };
const entry = (path: string, kind: EntryKind, seconds = mtime.seconds): Entry => ({
  path: parsePath(path),
  kind,
  mtime: { seconds, nanos: 0 },
});
const file = (path: string, size: number, seconds?: number): Entry =>
  entry(path, { type: 'file', size, executable: false }, seconds);

function content(path: string, chunk: number, length: number): Bytes {
  const seed = [...path].reduce((sum, character) => sum * 31 + (character.codePointAt(0) ?? 0), 7);
  return new Uint8Array(length).map((_, at) => (seed + chunk * 13 + at * 7) & 0xff);
}

/** Gives the destination what it wants, and stops after so many chunks. */
async function feed(
  saving: Destination,
  entries: readonly Entry[],
  wants: readonly Want[],
  stop = Infinity,
): Promise<void> {
  let left = stop;
  for (const { entry: number, ranges } of wants) {
    const { path, kind } = entries[number] as Entry;
    const size = kind.type === 'file' ? kind.size : 0;
    for (const { start, end } of ranges) {
      for (let chunk = start; chunk < end && left > 0; chunk += 1, left -= 1) {
        const len = chunkLen(size, chunk);
        const header = { entry: number, chunk, len };
        await saving.write(header, content(path, chunk, len), chunk + 1 === chunkCount(size));
      }
    }
  }
}

const folder = mkdtempSync(join(tmpdir(), 'sluice-zip-'));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** What Python's reader, which has nothing of ours, finds in an archive: names, sizes, and that all is well. */
function read(zip: Uint8Array): Record<string, number> {
  const at = join(mkdtempSync(join(tmpdir(), 'sluice-zip-')), 'a.zip');
  writeFileSync(at, zip);
  const script = `
import json, sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
print(json.dumps({i.filename: i.file_size for i in z.infolist()}))
`;
  const out = execFileSync('python3', ['-c', script, at], { encoding: 'utf8' });
  rmSync(join(at, '..'), { recursive: true });
  return JSON.parse(out) as Record<string, number>;
}

const open = async (
  sink: Sink,
  over: { isSingle?: boolean; keeper?: Keeper; platform?: 'windows' } = {},
): Promise<Destination> => {
  const terms = { isSingle: false, platform: 'unix' as const, way: 'stream' as const };
  return new Saving(await Archive.open({ ...terms, sink, ...over }), () => true);
};

describe('an archive', () => {
  it('holds everything in its order, whatever the sink', async () => {
    const entries = [
      entry('top', { type: 'directory' }),
      file('top/empty', 0),
      file('top/a.txt', 3 * CHUNK_SIZE + 5),
      entry('top/link', { type: 'symlink', target: 'a.txt' }),
      entry('top/out', { type: 'symlink', target: '../../etc' }),
      entry('top/secret', { type: 'unreadable', reason: 'denied' }),
      file('top/é.bin', 17),
    ];
    for (const seeks of [true, false]) {
      const sink = new Bucket(seeks);
      const saving = await open(sink);
      const wants = await saving.plan(0, entries);
      await feed(saving, entries, wants);
      const report = await saving.finish();
      expect(report).toEqual<SavingReport>({
        bytes: 3 * CHUNK_SIZE + 22,
        entries: 5,
        renamed: [],
        failed: [
          { path: 'top/out', failure: 'symlink' },
          { path: 'top/secret', failure: 'denied' },
        ],
      });
      expect(saving.durable()).toEqual({ bytes: report.bytes, entries: 5 });
      expect(read(sink.bytes)).toEqual({
        'top/': 0,
        'top/empty': 0,
        'top/a.txt': 3 * CHUNK_SIZE + 5,
        'top/link': 5,
        'top/é.bin': 17,
      });
    }
  });

  it('goes on with what was begun when a session follows another', async () => {
    const entries = [file('a', 4 * CHUNK_SIZE), file('b', 2 * CHUNK_SIZE)];
    const sink = new Bucket(false);
    const saving = await open(sink);
    await feed(saving, entries, await saving.plan(0, entries), 2);
    const wants = await saving.plan(0, entries);
    expect(wants[0]?.ranges).toEqual([{ start: 2, end: 4 }]);
    await feed(saving, entries, wants);
    expect((await saving.finish()).bytes).toBe(6 * CHUNK_SIZE);
    expect(read(sink.bytes)).toEqual({ a: 4 * CHUNK_SIZE, b: 2 * CHUNK_SIZE });
  });

  it('begins a file anew in a stream if another comes before it now', async () => {
    const sink = new Bucket(false);
    const saving = await open(sink);
    const before = [file('b', 3 * CHUNK_SIZE)];
    await feed(saving, before, await saving.plan(0, before), 2);
    const now = [file('a', CHUNK_SIZE), file('b', 3 * CHUNK_SIZE)];
    const wants = await saving.plan(0, now);
    expect(wants[1]?.ranges).toEqual([{ start: 0, end: 3 }]);
    await feed(saving, now, wants);
    await saving.finish();
    expect(read(sink.bytes)).toEqual({ a: CHUNK_SIZE, b: 3 * CHUNK_SIZE });
  });

  it('leaves out what failed in the middle, and says so', async () => {
    for (const seeks of [true, false]) {
      const sink = new Bucket(seeks);
      const saving = await open(sink);
      const entries = [file('a', 3 * CHUNK_SIZE), file('b', 5)];
      const wants = await saving.plan(0, entries);
      await feed(saving, entries, wants, 1);
      await saving.fail(0, 'changed');
      await feed(saving, entries, wants.slice(1));
      const report = await saving.finish();
      expect(report.failed).toEqual([{ path: 'a', failure: 'changed' }]);
      expect(report.bytes).toBe(5);
      expect(saving.durable()).toEqual({ bytes: 5, entries: 1 });
      expect(read(sink.bytes)).toEqual({ b: 5 });
    }
  });

  it('is the file itself where there is only one', async () => {
    const entries = [file('top/a', CHUNK_SIZE + 3)];
    for (const seeks of [true, false]) {
      const sink = new Bucket(seeks);
      const saving = await open(sink, { isSingle: true });
      await feed(saving, entries, await saving.plan(0, entries));
      await saving.finish();
      expect(sink.ended).toBe(true);
      expect(sink.bytes.length).toBe(CHUNK_SIZE + 3);
      const first = content('top/a', 0, CHUNK_SIZE);
      expect(Buffer.compare(sink.bytes.subarray(0, CHUNK_SIZE), first)).toBe(0);
    }
  });

  it('never ends a stream whose only file changed or failed', async () => {
    const sink = new Bucket(false);
    const saving = await open(sink, { isSingle: true });
    const before = [file('a', 2 * CHUNK_SIZE)];
    await feed(saving, before, await saving.plan(0, before), 1);
    expect(await saving.plan(0, [file('a', 2 * CHUNK_SIZE, 5)])).toEqual([]);
    const report = await saving.finish();
    expect(report.failed).toEqual([{ path: 'a', failure: 'disk' }]);
    expect(sink.ended).toBe(false);
  });

  it('gives files, folders and links that want one name a name each', async () => {
    const entries = [
      entry('x', { type: 'symlink', target: 'y' }),
      file('x/in', 1),
      file('X', 1),
      file('con', 1),
    ].map((it) => ({ ...it, path: parsePath(`top/${it.path}`) }));
    const sink = new Bucket(false);
    const saving = await open(sink, { platform: 'windows' });
    await feed(saving, entries, await saving.plan(0, entries));
    const { renamed } = await saving.finish();
    expect(Object.keys(read(sink.bytes))).toEqual([
      'top/x',
      'top/x (2)/in',
      'top/X (3)',
      'top/_con',
    ]);
    expect(renamed.map(({ as }) => as)).toEqual(['top/x (2)/in', 'top/X (3)', 'top/_con']);
  });

  it('goes on from what was flushed after any crash, and ends up the same', async () => {
    const anyFiles = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd/e', 'd/f'), { minLength: 1 });
    const sizes = fc.constantFrom(0, 1, CHUNK_SIZE, 2 * CHUNK_SIZE + 9);
    await fc.assert(
      fc.asyncProperty(
        anyFiles,
        fc.array(sizes, { minLength: 5, maxLength: 5 }),
        fc.array(fc.record({ after: fc.nat(8), order: fc.boolean() }), { maxLength: 4 }),
        async (paths, sized, crashes) => {
          const files = paths.map((path, at) => file(path, sized[at] ?? 0));
          const sink = new Bucket(true);
          const keeper = new Memory();
          for (const { after, order } of crashes) {
            const now = order ? files : [...files].reverse();
            const saving = await open(sink, { keeper });
            const wants = await saving.plan(0, now);
            const known = [...keeper.kept.values()];
            for (const { entry: number, ranges } of wants) {
              const kept = known.find(({ path }) => path === now[number]?.path);
              expect(ranges[0]?.start).toBe(kept?.chunks ?? 0);
            }
            await feed(saving, now, wants, after);
            // Half of the time it is closed, else all that was not flushed is forgotten.
            if (order) {
              await saving.close();
            }
          }
          const saving = await open(sink, { keeper });
          await feed(saving, files, await saving.plan(0, files));
          await saving.finish();
          expect(read(sink.bytes)).toEqual(
            Object.fromEntries(files.map((it, at) => [it.path, sized[at] ?? 0])),
          );
        },
      ),
      { numRuns: 10 },
    );
  }, 60_000);
});
