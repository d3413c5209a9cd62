// A store that is one file: a zip of several entries, or the content of the only one as it is.
//
// A sink that is a stream takes bytes in their order only: a checksum follows its content, one file is open at a time,
// and what was begun and can't go on stays as bytes that the directory at the end does not name. A sink that seeks
// keeps room for each entry, so that what was begun goes on later.
import type { Mtime } from '../../protocol/bindings';
import { CHUNK_SIZE } from '../../protocol/bindings';
import { type Bytes, concat, encodeText } from '../../protocol/bytes';
import { chunkCount } from '../../protocol/frame';
import type { Handover } from '../page';
import { crc32 } from './crc32';
import type { Durable, Way } from './destination';
import { type Platform, folded, nextName, portable } from './names';
import { type FileItem, type Standing, type Store, type Thing, sameFile } from './store';
import {
  type ZipEntry,
  type ZipKind,
  centralHeader,
  descriptor,
  endRecords,
  entryLength,
  localHeader,
} from './zip';

/** Where the bytes of the one file go. */
export interface Sink {
  /** Whether bytes may be written anywhere; else each is written where the last has ended. */
  readonly seeks: boolean;
  /** Resolves when the bytes have left memory. */
  write(at: number, bytes: Bytes): Promise<void>;
  /** Makes what was written durable, where there is such a thing. */
  flush?(): Promise<void>;
  /** All is written: the file has so many bytes. */
  end(length: number): Promise<void>;
  handover?(): Promise<Handover>;
  /** Lets go; what is not ended is broken off. */
  close(): Promise<void>;
  /** Removes it. */
  discard(): Promise<void>;
}

/** An entry of the archive, as it is kept for another time. */
export interface Filed extends ZipEntry {
  readonly path: string;
  /** Chunks that are there; the checksum is that of these. */
  chunks: number;
  isDone: boolean;
}

/** Remembers an archive from one visit to the next. */
export interface Keeper {
  /** What was kept, and where the next entry may begin. */
  load(): Promise<{ entries: Filed[]; end: number }>;
  /** Keeps entries that have changed, each after its bytes became durable, and forgets others by their paths. */
  keep(
    changed: readonly Filed[],
    forgotten: readonly string[],
    now: Durable & { end: number },
  ): Promise<void>;
  remove(): Promise<void>;
}

/** What an archive is made with. */
export interface ArchiveTerms {
  way: Way;
  sink: Sink;
  /** Whether the only file is written as it is. */
  isSingle: boolean;
  platform: Platform;
  keeper?: Keeper | undefined;
}

// Written and not flushed: bytes, entries, milliseconds. A flush takes about 20 ms.
const FLUSH_BYTES = 16 * 1024 * 1024;
const FLUSH_ENTRIES = 512;
const FLUSH_MS = 1000;
const DIRECTORY_PART = 256 * 1024;

interface Open extends Filed {
  // Chunks that were taken, written or not.
  taken: number;
  // What counts as durable.
  counted: Durable;
}

/** See above. */
export class Archive implements Store {
  readonly way: Way;
  readonly #sink: Sink;
  readonly #isSingle: boolean;
  readonly #platform: Platform;
  readonly #keeper: Keeper | undefined;
  readonly #entries = new Map<string, Open>();
  // Where everything is in the archive: written names by path, which ends with a slash for folders, and who has a name.
  readonly #written = new Map<string, string>();
  readonly #takenNames = new Map<string, string>();
  // Paths of this session, which is what the directory names.
  #planned = new Set<string>();
  // Without seeking: the file that is open, and what waits until it is whole.
  #current: Open | undefined;
  #waiting: { filed: Open; content: Bytes }[] = [];
  #hasWants = false;
  #end = 0;
  // All writing is one after the other.
  #tail: Promise<unknown> = Promise.resolve();
  #durable: Durable = { bytes: 0, entries: 0 };
  #changed = new Set<Open>();
  #forgotten = new Set<string>();
  #unflushed = 0;
  #flushedAt = performance.now();

  private constructor(terms: ArchiveTerms) {
    this.way = terms.way;
    this.#sink = terms.sink;
    this.#isSingle = terms.isSingle;
    this.#platform = terms.platform;
    this.#keeper = terms.keeper;
  }

  /** An archive with what its keeper remembers. */
  static async open(terms: ArchiveTerms): Promise<Archive> {
    const archive = new Archive(terms);
    const kept = await terms.keeper?.load();
    for (const filed of kept?.entries ?? []) {
      const open = { ...filed, taken: filed.chunks, counted: { bytes: 0, entries: 0 } };
      archive.#entries.set(filed.path, open);
      archive.#noteNames(filed);
      archive.#count(open);
    }
    archive.#end = kept?.end ?? 0;
    return archive;
  }

  durable(): Durable {
    return { ...this.#durable };
  }

  async restart(): Promise<void> {
    // What was taken decides what can go on.
    await this.#tail;
    this.#planned = new Set();
    this.#hasWants = false;
  }

  async plan(things: readonly Thing[]): Promise<Standing[]> {
    const standings: Standing[] = [];
    for (const thing of things) {
      standings.push(await this.#plan(thing));
    }
    // Errors of what is written meanwhile come out with the next call.
    return standings;
  }

  async #plan(thing: Thing): Promise<Standing> {
    const { path, kind, size, mtime, content } = this.#describe(thing);
    if (this.#isSingle && (kind === 'directory' || kind === 'symlink')) {
      return kind === 'symlink' ? { failed: 'symlink' } : { as: path, have: 0 };
    }
    this.#planned.add(path);
    const known = this.#entries.get(path);
    if (known !== undefined) {
      const isSame = known.kind === kind && sameFile(known, { size, mtime });
      const goesOn =
        this.#sink.seeks || known.isDone || (this.#current === known && !this.#hasWants);
      if (isSame && goesOn && (kind !== 'symlink' || known.isDone)) {
        this.#hasWants ||= !known.isDone;
        return { as: known.name, have: known.isDone ? chunkCount(size) : known.taken };
      }
      this.#forget(known);
    }
    if (this.#isSingle && (this.#entries.size > 0 || (!this.#sink.seeks && this.#end > 0))) {
      // A second file, or another version of the one whose beginning has gone.
      return { failed: 'disk' };
    }
    const name = this.#isSingle ? path : await this.#name(kind === 'directory' ? `${path}/` : path);
    const filed: Open = {
      path,
      name,
      kind,
      size: kind === 'symlink' ? content.length : size,
      mtime,
      crc: 0,
      offset: 0,
      streamed: !this.#sink.seeks,
      chunks: 0,
      taken: 0,
      counted: { bytes: 0, entries: 0 },
      isDone: false,
    };
    this.#entries.set(path, filed);
    if (filed.size > 0 && kind !== 'symlink') {
      this.#hasWants = true;
      return { as: name, have: 0 };
    }
    filed.isDone = true;
    filed.crc = crc32(0, content);
    this.#then(async () => {
      if (this.#current === undefined || this.#sink.seeks) {
        await this.#emit(filed, content);
      } else {
        this.#waiting.push({ filed, content });
      }
    });
    return { as: name, have: 0 };
  }

  #describe(thing: Thing): {
    path: string;
    kind: ZipKind;
    size: number;
    mtime: Mtime;
    content: Bytes;
  } {
    const content = thing.kind === 'symlink' ? encodeText(thing.target) : new Uint8Array();
    if (thing.kind !== 'file') {
      return { ...thing, size: content.length, content };
    }
    const { path, size, mtime, executable } = thing.item;
    return { path, kind: executable ? 'executable' : 'file', size, mtime, content };
  }

  write(item: FileItem, chunk: Bytes, last: boolean): Promise<void> {
    const filed = this.#entries.get(item.path);
    if (filed === undefined || filed.isDone) {
      return Promise.resolve();
    }
    filed.taken += 1;
    return this.#then(async () => {
      if (this.#entries.get(item.path) !== filed) {
        return;
      }
      await this.#begin(filed);
      const at = filed.offset + this.#headerLength(filed) + filed.chunks * CHUNK_SIZE;
      filed.crc = this.#isSingle ? 0 : crc32(filed.crc, chunk);
      await this.#put(at, chunk);
      filed.chunks += 1;
      if (last) {
        await this.#whole(filed);
      }
      this.#changed.add(filed);
      await this.#flushIfDue();
    });
  }

  drop(item: FileItem): Promise<void> {
    return this.#then(async () => {
      const filed = this.#entries.get(item.path);
      if (filed !== undefined && !filed.isDone) {
        this.#forget(filed);
        await this.#emitWaiting();
      }
    });
  }

  finish(): Promise<void> {
    return this.#then(async () => {
      if (this.#current !== undefined) {
        this.#forget(this.#current);
      }
      await this.#emitWaiting();
      await this.#flush();
      const entries = [...this.#entries.values()].filter(
        ({ path, isDone }) => isDone && this.#planned.has(path),
      );
      if (!this.#isSingle) {
        await this.#sink.end(await this.#writeDirectory(entries));
      } else if (entries.length > 0) {
        await this.#sink.end(this.#end);
      } else {
        // Its only file has failed: better none than one that looks whole.
        await this.#sink.close();
      }
    });
  }

  async #writeDirectory(entries: readonly Open[]): Promise<number> {
    const start = this.#end;
    let at = start;
    let parts: Bytes[] = [];
    let length = 0;
    const put = async (): Promise<void> => {
      const written = length;
      await this.#sink.write(at, concat(...parts));
      at += written;
      [parts, length] = [[], 0];
    };
    for (const filed of entries) {
      const record = centralHeader(filed);
      parts.push(record);
      length += record.length;
      if (length >= DIRECTORY_PART) {
        await put();
      }
    }
    const directory = at + length - start;
    const end = endRecords(entries.length, start, directory);
    parts.push(end);
    length += end.length;
    await put();
    return at;
  }

  async handover(): Promise<Handover | undefined> {
    return this.#sink.handover?.();
  }

  async close(): Promise<void> {
    try {
      await this.#then(() => this.#flush());
    } finally {
      await this.#sink.close();
    }
  }

  async discard(): Promise<void> {
    await this.#tail.catch(() => undefined);
    await this.#sink.discard();
    await this.#keeper?.remove();
  }

  // Runs `work` behind all that was asked for before; one that fails lets nothing behind it run.
  #then<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#tail.then(work);
    this.#tail = done;
    // Whoever calls next hears of it.
    done.catch(() => undefined);
    return done;
  }

  #headerLength(filed: Open): number {
    return this.#isSingle ? 0 : localHeader(filed).length;
  }

  // Makes `filed` the file that is written to, if it is not.
  async #begin(filed: Open): Promise<void> {
    if (this.#current === filed) {
      return;
    }
    if (this.#current !== undefined && !this.#sink.seeks) {
      this.#forget(this.#current);
    }
    this.#current = undefined;
    await this.#emitWaiting();
    this.#current = filed;
    if (filed.chunks > 0) {
      return;
    }
    filed.offset = this.#isSingle ? 0 : this.#end;
    if (this.#isSingle && this.#sink.seeks) {
      this.#end = filed.size;
    } else if (this.#sink.seeks) {
      this.#end += entryLength(filed);
    } else if (!this.#isSingle) {
      await this.#put(filed.offset, localHeader(filed));
    }
  }

  async #whole(filed: Open): Promise<void> {
    if (!this.#isSingle) {
      if (filed.streamed) {
        await this.#put(this.#end, descriptor(filed));
      } else {
        await this.#put(filed.offset, localHeader(filed));
      }
    }
    filed.isDone = true;
    this.#current = undefined;
    await this.#emitWaiting();
  }

  // Writes an entry whose content is here.
  async #emit(filed: Open, content: Bytes): Promise<void> {
    filed.offset = this.#end;
    if (this.#isSingle) {
      return;
    }
    if (this.#sink.seeks) {
      this.#end += entryLength(filed);
    }
    await this.#put(filed.offset, concat(localHeader(filed), content, descriptor(filed)));
    this.#changed.add(filed);
    await this.#flushIfDue();
  }

  async #emitWaiting(): Promise<void> {
    for (const { filed, content } of this.#waiting.splice(0)) {
      await this.#emit(filed, content);
    }
  }

  async #put(at: number, bytes: Bytes): Promise<void> {
    // A sink may give the buffer away.
    const { length } = bytes;
    await this.#sink.write(at, bytes);
    this.#unflushed += length;
    if (!this.#sink.seeks) {
      this.#end += length;
    }
  }

  async #flushIfDue(): Promise<void> {
    if (
      this.#keeper === undefined ||
      this.#unflushed >= FLUSH_BYTES ||
      this.#changed.size >= FLUSH_ENTRIES ||
      performance.now() - this.#flushedAt >= FLUSH_MS
    ) {
      await this.#flush();
    }
  }

  async #flush(): Promise<void> {
    const changed = [...this.#changed];
    const forgotten = [...this.#forgotten];
    this.#changed.clear();
    this.#forgotten.clear();
    if (changed.length > 0 || forgotten.length > 0) {
      await this.#sink.flush?.();
      changed.forEach((filed) => this.#count(filed));
      await this.#keeper?.keep(changed, forgotten, { ...this.#durable, end: this.#end });
    }
    this.#unflushed = 0;
    this.#flushedAt = performance.now();
  }

  #count(filed: Open): void {
    const hasContent = filed.kind === 'file' || filed.kind === 'executable';
    const bytes = hasContent ? Math.min(filed.size, filed.chunks * CHUNK_SIZE) : 0;
    const entries = filed.isDone ? 1 : 0;
    this.#durable.bytes += bytes - filed.counted.bytes;
    this.#durable.entries += entries - filed.counted.entries;
    filed.counted = { bytes, entries };
  }

  // Its bytes stay; the directory will not name them.
  #forget(filed: Open): void {
    if (this.#current === filed) {
      this.#current = undefined;
    }
    this.#entries.delete(filed.path);
    this.#changed.delete(filed);
    this.#forgotten.add(filed.path);
    this.#durable.bytes -= filed.counted.bytes;
    this.#durable.entries -= filed.counted.entries;
  }

  // The path under which an entry is in the archive; folders are named as their path says, and once.
  async #name(path: string): Promise<string> {
    const known = this.#written.get(path);
    if (known !== undefined) {
      return known;
    }
    const at = path.lastIndexOf('/', path.length - 2);
    const above = at === -1 ? '' : `${await this.#name(path.slice(0, at + 1))}/`;
    const isFree = (name: string): boolean => !this.#takenNames.has(this.#fold(above + name));
    const plain = portable(path.slice(at + 1).replace(/\/$/, ''), this.#platform);
    const last = isFree(plain) ? plain : await nextName(plain, this.#platform, isFree);
    const name = above + (last ?? plain);
    this.#take(path, name);
    return name;
  }

  // The names of what was kept, and of the folders that it is in.
  #noteNames(filed: Filed): void {
    const written = filed.name.split('/');
    const names = filed.path.split('/');
    for (let length = 1; length < names.length; length += 1) {
      this.#take(`${names.slice(0, length).join('/')}/`, written.slice(0, length).join('/'));
    }
    this.#take(filed.kind === 'directory' ? `${filed.path}/` : filed.path, filed.name);
  }

  #take(path: string, name: string): void {
    this.#written.set(path, name);
    this.#takenNames.set(this.#fold(name), path);
  }

  // What is one name where it is unpacked.
  #fold(name: string): string {
    return this.#platform === 'unix' ? name : folded(name);
  }
}
