// A destination over any store: what is chosen, what is missing, what came of each entry.
import type { Entry, EntryFailure, RecordHeader, Want } from '../../protocol/bindings';
import type { Bytes } from '../../protocol/bytes';
import { ProtocolError } from '../../protocol/error';
import { chunkCount, chunkLen } from '../../protocol/frame';
import { linkStaysInside } from '../../protocol/path';
import type { Handover } from '../page';
import type { Destination, Durable, SavingReport, Way } from './destination';
import type { FileItem, Store, Thing, Told } from './store';
import { trouble } from './trouble';

// A planned file, until it is whole.
class Pending implements FileItem {
  readonly path: string;
  readonly size: number;
  readonly executable: boolean;
  readonly mtime: Entry['mtime'];
  readonly chunks: number;
  next = 0;
  isSaved = false;
  isLost = false;

  constructor(entry: Entry, kind: { size: number; executable: boolean }) {
    this.path = entry.path;
    this.size = kind.size;
    this.executable = kind.executable;
    this.mtime = entry.mtime;
    this.chunks = chunkCount(kind.size);
  }
}

type Failed = SavingReport['failed'][number];

/** The one implementation of {@link Destination}. */
export class Saving implements Destination {
  readonly way: Way;
  readonly #store: Store;
  readonly #chosen: (path: string) => boolean;
  #pending = new Map<number, Pending>();
  #pendingPaths = new Set<string>();
  #bytes = 0;
  #entries = 0;
  #renamed: { path: string; as: string }[] = [];
  #failed: Failed[] = [];
  // What ended it: nothing is written after that.
  #broken: ProtocolError | undefined;

  /** `release` is called when the store is let go. */
  constructor(
    store: Store,
    chosen: (path: string) => boolean,
    private readonly release: () => void = () => undefined,
  ) {
    this.way = store.way;
    this.#store = store;
    this.#chosen = chosen;
  }

  durable(): Durable {
    return this.#store.durable();
  }

  plan(firstEntry: number, entries: readonly Entry[]): Promise<Want[]> {
    return this.#guard(async () => {
      if (firstEntry === 0) {
        await this.#restart();
      }
      const things: Thing[] = [];
      const files = new Map<Thing, { number: number; item: Pending }>();
      for (const [at, entry] of entries.entries()) {
        const thing = this.#chosen(entry.path) ? this.#thing(entry) : undefined;
        if (thing === undefined) {
          continue;
        }
        things.push(thing);
        if (thing.kind === 'file') {
          files.set(thing, { number: firstEntry + at, item: thing.item as Pending });
        }
      }
      const standings = await this.#store.plan(things);
      const wants: Want[] = [];
      for (const [at, thing] of things.entries()) {
        const standing = standings[at];
        const path = thing.kind === 'file' ? thing.item.path : thing.path;
        if (standing === undefined || 'failed' in standing) {
          this.#failed.push({ path, failure: standing?.failed ?? 'disk' });
          this.#pendingPaths.delete(path);
          continue;
        }
        if (standing.as !== path) {
          this.#renamed.push({ path, as: standing.as });
        }
        const file = files.get(thing);
        if (file === undefined) {
          this.#entries += 1;
        } else if (standing.have >= file.item.chunks) {
          this.#pendingPaths.delete(path);
          this.#saved(file.item);
        } else {
          file.item.next = standing.have;
          this.#pending.set(file.number, file.item);
          const ranges = [{ start: standing.have, end: file.item.chunks }];
          wants.push({ entry: file.number, ranges });
        }
      }
      return wants;
    });
  }

  write(header: RecordHeader, chunk: Bytes): Promise<void> {
    return this.#guard(async () => {
      const item = this.#pending.get(header.entry);
      if (item?.next !== header.chunk || chunk.length !== chunkLen(item.size, header.chunk)) {
        throw new ProtocolError('disk_failed', 'a chunk that was not planned');
      }
      item.next += 1;
      const isWhole = item.next === item.chunks;
      if (isWhole) {
        this.#forget(header.entry, item);
      }
      if (item.isLost) {
        return;
      }
      if (isWhole) {
        this.#saved(item);
      }
      await this.#store.write(item, chunk, isWhole);
    });
  }

  fail(entry: number, failure: EntryFailure): Promise<void> {
    return this.#guard(async () => {
      const item = this.#pending.get(entry);
      if (item === undefined) {
        return;
      }
      this.#forget(entry, item);
      if (!item.isLost) {
        item.isLost = true;
        this.#failed.push({ path: item.path, failure });
        await this.#store.drop(item);
      }
    });
  }

  finish(): Promise<SavingReport> {
    return this.#guard(async () => {
      await this.#store.finish();
      this.release();
      return {
        bytes: this.#bytes,
        entries: this.#entries,
        renamed: this.#renamed,
        failed: this.#failed,
      };
    });
  }

  async handover(): Promise<Handover | undefined> {
    try {
      return await this.#store.handover?.();
    } catch (error) {
      throw trouble(error);
    }
  }

  async close(): Promise<void> {
    await this.#end(this.#store.close());
  }

  async discard(): Promise<void> {
    await this.#end(this.#store.discard());
  }

  async #end(work: Promise<void>): Promise<void> {
    this.#broken ??= new ProtocolError('disk_failed', 'the destination is closed');
    try {
      await work;
    } catch (error) {
      throw trouble(error);
    } finally {
      this.release();
    }
  }

  // What to do about an entry that is chosen; nothing if that is known already.
  #thing(entry: Entry): Thing | undefined {
    const { path, kind, mtime } = entry;
    switch (kind.type) {
      case 'unreadable':
        this.#failed.push({ path, failure: kind.reason });
        return undefined;
      case 'directory':
        return { kind: 'directory', path, mtime };
      case 'symlink':
        if (!linkStaysInside(path, kind.target)) {
          this.#failed.push({ path, failure: 'symlink' });
          return undefined;
        }
        return { kind: 'symlink', path, mtime, target: kind.target };
      case 'file':
        // A manifest that lists a path twice: the first is taken.
        if (this.#pendingPaths.has(path)) {
          this.#failed.push({ path, failure: 'name' });
          return undefined;
        }
        this.#pendingPaths.add(path);
        return { kind: 'file', item: new Pending(entry, kind) };
    }
  }

  async #restart(): Promise<void> {
    this.#pending = new Map();
    this.#pendingPaths = new Set();
    this.#bytes = 0;
    this.#entries = 0;
    this.#renamed = [];
    this.#failed = [];
    const renamed = this.#renamed;
    const failed = this.#failed;
    const told: Told = {
      renamed: (item, as) => {
        const known = renamed.find(({ path }) => path === item.path);
        if (known === undefined) {
          renamed.push({ path: item.path, as });
        } else {
          known.as = as;
        }
      },
      failed: (item, failure) => {
        failed.push({ path: item.path, failure });
        this.#lost(item as Pending);
      },
    };
    await this.#store.restart(told);
  }

  #forget(entry: number, item: Pending): void {
    this.#pending.delete(entry);
    this.#pendingPaths.delete(item.path);
  }

  #saved(item: Pending): void {
    item.isSaved = true;
    this.#bytes += item.size;
    this.#entries += 1;
  }

  #lost(item: Pending): void {
    item.isLost = true;
    if (item.isSaved) {
      item.isSaved = false;
      this.#bytes -= item.size;
      this.#entries -= 1;
    }
  }

  async #guard<T>(work: () => Promise<T>): Promise<T> {
    if (this.#broken !== undefined) {
      throw this.#broken;
    }
    try {
      return await work();
    } catch (error) {
      this.#broken ??= trouble(error);
      throw this.#broken;
    }
  }
}
