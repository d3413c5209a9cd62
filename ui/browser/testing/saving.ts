// Any way of saving over a tree that is made up, without a network; for tests that drive a browser, which call
// `sluice.save(…)` and compare what is on the disk with `contentOf`. Not part of the build.
import { CHUNK_SIZE, CREDIT_WINDOW, type Entry, type EntryKind } from '../../protocol/bindings';
import type { Bytes } from '../../protocol/bytes';
import { ProtocolError } from '../../protocol/error';
import { chunkCount, chunkLen } from '../../protocol/frame';
import { parsePath } from '../../protocol/path';
import type { Destination, SavingReport, Way } from '../save/destination';
import { openDestination, resumable, ways } from '../save';

/** A tree: paths with sizes, or what else an entry may be. */
type Tree = { path: string; size?: number; kind?: EntryKind; mtime?: number }[];

interface Trial {
  way: Way;
  key?: string;
  tree: Tree;
  /** Stops after so many bytes and lets the destination go. */
  stopAfter?: number;
  /** Instead of `stopAfter` alone: goes on with a second session in the same destination. */
  again?: boolean;
  /** Paths that fail after their first chunk. */
  failing?: string[];
  /** Milliseconds between chunks. */
  pause?: number;
}

interface Outcome {
  report?: SavingReport;
  code?: string;
  durable: { bytes: number; entries: number };
  /** Bytes that were asked for. */
  wanted: number;
  seconds: number;
  /** Of these, the last for what `finish` took. */
  finishing: number;
}

const PAGE = 500;
// Made once: content costs a copy.
const TEMPLATE = new Uint8Array(CHUNK_SIZE).map((_, at) => (at * 7 + (at >> 8)) & 0xff);

/** The content of a chunk: the same for everyone who knows the path, and different for each chunk. */
function contentOf(path: string, chunk: number, length: number): Bytes {
  const bytes = TEMPLATE.slice(0, length);
  const stamp = new TextEncoder().encode(`${chunk} ${path}\n`).subarray(0, length);
  bytes.set(stamp);
  return bytes;
}

function entriesOf(tree: Tree): Entry[] {
  return tree.map(({ path, size = 0, kind, mtime = 1_700_000_000 }) => ({
    path: parsePath(path),
    kind: kind ?? { type: 'file', size, executable: false },
    mtime: { seconds: mtime, nanos: 0 },
  }));
}

// One session: plans page by page, and writes what is wanted with as many bytes under way as a sender may send.
async function session(
  destination: Destination,
  entries: readonly Entry[],
  trial: Trial,
  outcome: Outcome,
): Promise<void> {
  let left = trial.stopAfter ?? Infinity;
  const underWay = new Set<Promise<void>>();
  let failed: unknown;
  for (let first = 0; first < entries.length && left > 0; first += PAGE) {
    const page = entries.slice(first, first + PAGE);
    const wants = await destination.plan(first, page);
    for (const { entry, ranges } of wants) {
      const { path, kind } = entries[entry] as Entry;
      const size = kind.type === 'file' ? kind.size : 0;
      for (const { start, end } of ranges) {
        for (let chunk = start; chunk < end && left > 0; chunk += 1) {
          if (chunk > 0 && trial.failing?.includes(path)) {
            await destination.fail(entry, 'changed');
            break;
          }
          const len = chunkLen(size, chunk);
          const last = chunk + 1 === chunkCount(size);
          outcome.wanted += len;
          left -= len;
          const written = destination
            .write({ entry, chunk, len }, contentOf(path, chunk, len), last)
            .finally(() => underWay.delete(written));
          underWay.add(written);
          written.catch((error: unknown) => (failed ??= error));
          if (underWay.size >= CREDIT_WINDOW / CHUNK_SIZE) {
            await Promise.race(underWay);
          }
          if (failed !== undefined) {
            throw failed;
          }
          if (trial.pause !== undefined) {
            await new Promise((resolve) => setTimeout(resolve, trial.pause));
          }
        }
      }
    }
  }
  await Promise.all(underWay);
}

async function save(trial: Trial): Promise<Outcome> {
  const entries = entriesOf(trial.tree);
  const files = entries.filter(({ kind }) => kind.type === 'file').length;
  const bytes = trial.tree.reduce((sum, { size = 0 }) => sum + size, 0);
  const outcome: Outcome = {
    durable: { bytes: 0, entries: 0 },
    wanted: 0,
    seconds: 0,
    finishing: 0,
  };
  const begun = performance.now();
  let destination: Destination | undefined;
  try {
    destination = await openDestination(trial.way, {
      shareKey: trial.key ?? 'trial',
      name: files === 1 ? (trial.tree[0]?.path.split('/').at(-1) ?? 'file') : 'trial',
      chosen: () => true,
      totals: { bytes, entries: entries.length, files },
    });
    await session(destination, entries, trial, outcome);
    if (trial.again) {
      await session(destination, entries, { ...trial, stopAfter: Infinity }, outcome);
    }
    if (trial.stopAfter === undefined || trial.again) {
      const before = performance.now();
      outcome.report = await destination.finish();
      outcome.finishing = (performance.now() - before) / 1000;
      const handover = await destination.handover();
      const link = document.querySelector<HTMLAnchorElement>('#handover');
      if (handover !== undefined && link !== null) {
        Object.assign(link, { href: handover.url, download: handover.name, hidden: false });
      }
    } else {
      await destination.close();
    }
  } catch (error) {
    outcome.code = error instanceof ProtocolError ? error.message : String(error);
    await destination?.close().catch(() => undefined);
  }
  outcome.durable = destination?.durable() ?? outcome.durable;
  outcome.seconds = (performance.now() - begun) / 1000;
  return outcome;
}

/** Puts a folder of the origin-private file system in place of the one that a person would pick. */
function pickPrivately(): void {
  Object.assign(window, {
    showDirectoryPicker: async () => {
      const root = await navigator.storage.getDirectory();
      return root.getDirectoryHandle('picked', { create: true });
    },
  });
}

Object.assign(window, { sluice: { save, ways, resumable, contentOf, pickPrivately } });
