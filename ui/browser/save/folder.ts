// A store that is a folder of the person's, as a tree (File System Access).
//
// What a page writes there goes to a swap file that takes its place when it is closed, so a crash loses all of a file
// that is open. A small one is written straight all the same: at most `STAGE_FROM` bytes come again. A larger one is
// staged in the origin-private file system, where what is flushed stays, and copied when it is whole. Measured in
// Chromium on a busy machine with two cores: files of 10 MiB straight at 60 MB/s and staged at 80 to 130 MB/s, one of
// 4 GiB staged at 300 to 400 MB/s, copying included at 90 to 160 MB/s; small files at 1 to 3 ms each.
// The browser gives every file the time at which it was written, and no page can change that.
import { CHUNK_SIZE } from '../../protocol/bindings';
import { type Bytes, concat } from '../../protocol/bytes';
import { chunkCount } from '../../protocol/frame';
import { Slots, mapFew } from './batch';
import type { Durable } from './destination';
import { Disk, type DiskFile } from './disk';
import { type Folder, Folders } from './folders';
import type { FileRecord, Journal } from './journal';
import type { Platform } from './names';
import { lossOf, nameIn, placeOf, stagingName } from './place';
import { type FileItem, type Standing, type Store, type Thing, type Told, sameFile } from './store';
import { release } from './release';

/** Files of so many bytes and more are staged. */
export const STAGE_FROM = 2 * 1024 * 1024;
// Files that are open or being closed at once: a browser may look each up somewhere before it lets it be.
const OPEN = 32;
// Written and not flushed; bytes, milliseconds.
const FLUSH_BYTES = 16 * 1024 * 1024;
const FLUSH_MS = 1000;
// Bytes of a straight file that are written by one call, which at twice this is not faster any more.
const PIECE = 1024 * 1024;
// Bytes that are copied by one call, so that one that is to stop can.
const COPY = 64 * 1024 * 1024;
// Records that are written at once, and how long they may wait for others, in milliseconds.
const RECORDS = 256;
const RECORDS_MS = 300;

/** What a folder is received with. */
export interface FolderTerms {
  key: string;
  root: FileSystemDirectoryHandle;
  platform: Platform;
  /** Without it nothing is resumed, and nothing staged. */
  journal: Journal | undefined;
  /** Bytes and entries that are there from earlier visits. */
  durable: Durable;
}

// A planned file that is not in its place yet.
interface Open {
  item: FileItem;
  readonly folder: Folder;
  name: string;
  // Chunks that were taken, and how many of them are flushed.
  taken: number;
  flushed: number;
  readonly isStaged: boolean;
  isLost: boolean;
  // All that is done to it is one after the other.
  tail: Promise<void>;
  writable: FileSystemWritableFileStream | undefined;
  // What is not with it yet.
  gathered: Bytes[];
  gatheredBytes: number;
  staging: DiskFile | undefined;
  flushedAt: number;
}

// What the journal knows of a file, and whether it is still in its place.
interface Known {
  readonly record: FileRecord;
  isThere: boolean;
}

/** See above. */
export class FolderStore implements Store {
  readonly way = 'folder';
  readonly #terms: FolderTerms;
  readonly #folders: Folders;
  readonly #slots = new Slots(OPEN);
  #told: Told | undefined;
  // By path: what is to come, what of it no session has planned since, and what is being put in its place.
  readonly #open = new Map<string, Open>();
  #stale = new Set<Open>();
  readonly #placing = new Map<string, Open>();
  #durable: Durable;
  #directories = 0;
  #disk: Promise<Disk> | undefined;
  // Bytes of what is staged or will be.
  #reserved = 0;
  // What the journal is to know.
  #records = new Map<string, FileRecord | undefined>();
  #writing: Promise<void> = Promise.resolve();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #error: { cause: unknown } | undefined;

  constructor(terms: FolderTerms) {
    this.#terms = terms;
    this.#folders = new Folders(terms.root, terms.platform);
    this.#durable = { ...terms.durable };
  }

  durable(): Durable {
    return { bytes: this.#durable.bytes, entries: this.#durable.entries + this.#directories };
  }

  async restart(told: Told): Promise<void> {
    this.#check();
    this.#told = told;
    this.#directories = 0;
    // The session that is over did not want these.
    await Promise.all([...this.#stale].map((open) => this.#abandon(open)));
    this.#stale = new Set(this.#open.values());
    await this.#writeRecords();
  }

  async plan(things: readonly Thing[]): Promise<Standing[]> {
    this.#check();
    const items = things.flatMap((thing) => (thing.kind === 'file' ? [thing.item] : []));
    const known = await this.#lookUp(items);
    const standings: Standing[] = [];
    for (const thing of things) {
      if (thing.kind === 'symlink') {
        standings.push({ failed: 'symlink' });
        continue;
      }
      try {
        if (thing.kind === 'directory') {
          standings.push({ as: (await this.#folders.folder(thing.path)).as, have: 0 });
          this.#directories += 1;
        } else {
          standings.push(await this.#planFile(thing.item, known.get(thing.item.path)));
        }
      } catch (error) {
        standings.push({ failed: lossOf(error) });
      }
    }
    // Names are known before anything is there that has them.
    await this.#writeRecords();
    this.#check();
    return standings;
  }

  // What earlier visits know of these files; one that is not in its place any more is not said to be `isThere`.
  async #lookUp(items: readonly FileItem[]): Promise<Map<string, Known>> {
    const { journal, key } = this.#terms;
    const records = await journal?.lookUp(
      key,
      items.map(({ path }) => path),
    );
    const known = new Map<string, Known>();
    const done: { folder: Folder; name: string; of: Known }[] = [];
    for (const record of records ?? []) {
      if (record === undefined) {
        continue;
      }
      const of: Known = { record, isThere: false };
      known.set(record.path, of);
      if (record.state === 'done') {
        const folder = await this.#folders.parent(record.path);
        const name = nameIn(folder, record);
        if (name !== undefined) {
          done.push({ folder, name, of });
        }
      }
    }
    await mapFew(done, OPEN, async ({ folder, name, of }) => {
      of.isThere = await this.#isThere(folder, name, of.record.size);
    });
    return known;
  }

  async #planFile(item: FileItem, known: Known | undefined): Promise<Standing> {
    const chunks = chunkCount(item.size);
    const begun = this.#open.get(item.path) ?? this.#placing.get(item.path);
    if (begun !== undefined && sameFile(begun.item, item)) {
      begun.item = item;
      this.#stale.delete(begun);
      return { as: placeOf(begun.folder, begun.name), have: begun.taken };
    }
    if (begun !== undefined) {
      await this.#abandon(begun);
    }
    const folder = await this.#folders.parent(item.path);
    const record = known?.record;
    const name = record && nameIn(folder, record);
    let have = 0;
    if (record !== undefined && sameFile(record, item) && name !== undefined) {
      if (known?.isThere) {
        return { as: record.as, have: chunks };
      }
      if (record.state === 'staged') {
        have = await this.#stagedChunks(record);
      }
    }
    if (record !== undefined) {
      this.#uncount(record, have);
    }
    // A file that was begun is ours to write over; one that was whole and has another size now is not.
    const isOurs = name !== undefined && record?.state !== 'done';
    if (isOurs) {
      await this.#folders.claim(folder, name);
    }
    const open: Open = {
      item,
      folder,
      name: isOurs ? name : await this.#folders.name(folder, item.path),
      taken: have,
      flushed: have,
      isStaged: have > 0 || (await this.#hasRoom(item.size)),
      isLost: false,
      tail: Promise.resolve(),
      writable: undefined,
      gathered: [],
      gatheredBytes: 0,
      staging: undefined,
      flushedAt: performance.now(),
    };
    this.#reserved += open.isStaged ? item.size : 0;
    this.#records.set(item.path, this.#record(open, have > 0 ? 'staged' : 'begun'));
    if (have === chunks) {
      this.#placeSoon(open);
    } else {
      this.#open.set(item.path, open);
    }
    return { as: placeOf(folder, open.name), have };
  }

  async #isThere(folder: Folder, name: string, size: number): Promise<boolean> {
    if (!this.#folders.has(folder, name)) {
      return false;
    }
    try {
      return (await (await folder.handle.getFileHandle(name)).getFile()).size === size;
    } catch {
      // Removed meanwhile, or no file any more.
      return false;
    }
  }

  async #stagedChunks({ path, size, chunks }: FileRecord): Promise<number> {
    try {
      const staged = await (await this.#stage()).read(stagingName(path));
      return staged.size >= Math.min(size, chunks * CHUNK_SIZE) ? chunks : 0;
    } catch {
      // The browser has thrown it away.
      return 0;
    }
  }

  async #hasRoom(size: number): Promise<boolean> {
    if (this.#terms.journal === undefined || size < STAGE_FROM) {
      return false;
    }
    return this.#reserved + size < (await Disk.room());
  }

  #stage(): Promise<Disk> {
    this.#disk ??= Disk.open(this.#terms.key);
    return this.#disk;
  }

  async write(item: FileItem, chunk: Bytes, last: boolean): Promise<void> {
    this.#check();
    const open = this.#open.get(item.path);
    if (open === undefined) {
      return;
    }
    const at = open.taken * CHUNK_SIZE;
    open.taken += 1;
    const written = this.#then(open, () =>
      open.isStaged ? this.#writeStaged(open, at, chunk) : this.#writeStraight(open, chunk),
    );
    if (last) {
      this.#open.delete(item.path);
      this.#placeSoon(open);
    }
    await written;
    this.#check();
  }

  // Runs `work` behind all else that is done to this file. A failure is the file's own, or ends everything.
  #then(open: Open, work: () => Promise<void>): Promise<void> {
    open.tail = open.tail.then(async () => {
      if (open.isLost) {
        return;
      }
      try {
        if (this.#error !== undefined) {
          await this.#breakOff(open);
          return;
        }
        await work();
      } catch (error) {
        await this.#failed(open, error);
      }
    });
    return open.tail;
  }

  async #failed(open: Open, error: unknown): Promise<void> {
    try {
      const loss = lossOf(error);
      await this.#lose(open);
      this.#told?.failed(open.item, loss);
    } catch (cause) {
      this.#error ??= { cause };
      await this.#breakOff(open).catch(() => undefined);
    }
  }

  async #writeStraight(open: Open, chunk: Bytes): Promise<void> {
    if (open.writable === undefined) {
      await this.#slots.acquire();
      try {
        open.writable = await this.#create(open);
      } catch (error) {
        this.#slots.release();
        throw error;
      }
    }
    open.gathered.push(chunk);
    open.gatheredBytes += chunk.length;
    if (open.gatheredBytes >= PIECE) {
      await this.#writeGathered(open, open.writable);
    }
  }

  async #writeGathered(open: Open, writable: FileSystemWritableFileStream): Promise<void> {
    // Not as a blob: those are only freed when they are collected.
    const piece = concat(...open.gathered);
    open.gathered.forEach(release);
    [open.gathered, open.gatheredBytes] = [[], 0];
    await writable.write(piece);
    release(piece);
  }

  // Makes the file, under a plainer name if the browser refuses the first.
  async #create(open: Open): Promise<FileSystemWritableFileStream> {
    const make = async (): Promise<FileSystemWritableFileStream> => {
      const { handle } = open.folder;
      const file = await handle.getFileHandle(open.name, { create: true });
      try {
        return await file.createWritable();
      } catch (error) {
        await handle.removeEntry(open.name).catch(() => undefined);
        throw error;
      }
    };
    try {
      return await make();
    } catch (error) {
      if (!(error instanceof TypeError)) {
        throw error;
      }
      open.name = await this.#folders.plainName(open.folder, open.item.path);
      this.#told?.renamed(open.item, placeOf(open.folder, open.name));
      return make();
    }
  }

  async #writeStaged(open: Open, at: number, chunk: Bytes): Promise<void> {
    open.staging ??= await (await this.#stage()).file(stagingName(open.item.path));
    await open.staging.write(at, chunk);
    const written = at / CHUNK_SIZE + 1;
    const isDue =
      (written - open.flushed) * CHUNK_SIZE >= FLUSH_BYTES ||
      performance.now() - open.flushedAt >= FLUSH_MS;
    if (isDue || written === chunkCount(open.item.size)) {
      await this.#flush(open, written);
    }
  }

  async #flush(open: Open, written: number): Promise<void> {
    await open.staging?.flush();
    const bytesOf = (chunks: number): number => Math.min(open.item.size, chunks * CHUNK_SIZE);
    this.#durable.bytes += bytesOf(written) - bytesOf(open.flushed);
    open.flushed = written;
    open.flushedAt = performance.now();
    this.#note(this.#record(open, 'staged'));
  }

  #placeSoon(open: Open): void {
    this.#placing.set(open.item.path, open);
    void this.#then(open, async () => {
      if (open.isStaged) {
        await this.#slots.acquire();
        try {
          await this.#copy(open);
        } finally {
          this.#slots.release();
        }
        this.#durable.bytes -= Math.min(open.item.size, open.flushed * CHUNK_SIZE);
      } else if (open.item.size === 0) {
        await (await this.#create(open)).close();
      } else if (open.writable !== undefined) {
        await this.#writeGathered(open, open.writable);
        await open.writable.close();
        open.writable = undefined;
        this.#slots.release();
      }
      this.#durable.bytes += open.item.size;
      this.#durable.entries += 1;
      this.#note(this.#record(open, 'done'));
    }).then(() => this.#placing.delete(open.item.path));
  }

  async #copy(open: Open): Promise<void> {
    await open.staging?.close();
    open.staging = undefined;
    const disk = await this.#stage();
    const staged = await disk.read(stagingName(open.item.path));
    open.writable = await this.#create(open);
    for (let at = 0; at < open.item.size && this.#error === undefined; at += COPY) {
      await open.writable.write(staged.slice(at, Math.min(open.item.size, at + COPY)));
    }
    await open.writable.close();
    open.writable = undefined;
    await disk.remove(stagingName(open.item.path));
    this.#reserved -= open.item.size;
  }

  async drop(item: FileItem): Promise<void> {
    const open = this.#open.get(item.path);
    if (open !== undefined) {
      await this.#abandon(open);
    }
  }

  async #abandon(open: Open): Promise<void> {
    open.tail = open.tail.then(() => this.#lose(open));
    await open.tail;
  }

  // Removes what is here of a file that does not become whole.
  async #lose(open: Open): Promise<void> {
    if (open.isLost) {
      return;
    }
    open.isLost = true;
    this.#open.delete(open.item.path);
    this.#stale.delete(open);
    this.#durable.bytes -= Math.min(open.item.size, open.flushed * CHUNK_SIZE);
    this.#records.set(open.item.path, undefined);
    await this.#breakOff(open);
    if (open.isStaged) {
      this.#reserved -= open.item.size;
      await (await this.#stage()).remove(stagingName(open.item.path));
    }
  }

  // Lets go of a file that is open, and removes the empty one that stands for it.
  async #breakOff(open: Open): Promise<void> {
    await open.staging?.close();
    open.staging = undefined;
    const { writable } = open;
    if (writable !== undefined) {
      this.#letGo(open);
      await writable.abort().catch(() => undefined);
      await open.folder.handle.removeEntry(open.name).catch(() => undefined);
    }
  }

  #letGo(open: Open): void {
    if (open.writable !== undefined) {
      open.writable = undefined;
      if (!open.isStaged) {
        this.#slots.release();
      }
    }
  }

  async finish(): Promise<void> {
    await this.#settle();
    await Promise.all([...this.#open.values()].map((open) => this.#abandon(open)));
    this.#check();
    await this.#writeRecords();
    await this.#terms.journal?.remove(this.#terms.key);
    await this.#removeStaging();
  }

  async close(): Promise<void> {
    await this.#settle();
    for (const open of this.#open.values()) {
      await open.tail;
      if (open.staging !== undefined && this.#error === undefined) {
        await this.#flush(open, open.taken);
      }
      await this.#breakOff(open);
    }
    await this.#writeRecords();
    if (this.#disk !== undefined) {
      (await this.#disk).close();
    }
  }

  async discard(): Promise<void> {
    await this.#settle();
    await Promise.all([...this.#open.values()].map((open) => this.#abandon(open)));
    await this.#writeRecords();
    await this.#terms.journal?.remove(this.#terms.key);
    await this.#removeStaging();
  }

  // Waits until everything that is whole is in its place.
  async #settle(): Promise<void> {
    while (this.#placing.size > 0) {
      await Promise.all([...this.#placing.values()].map(({ tail }) => tail));
    }
  }

  async #removeStaging(): Promise<void> {
    if (this.#disk !== undefined) {
      (await this.#disk).close();
      await Disk.remove(this.#terms.key);
    }
  }

  #record(open: Open, state: FileRecord['state']): FileRecord {
    const { item, folder, name, flushed } = open;
    const as = placeOf(folder, name);
    const { path, size, mtime } = item;
    return { key: this.#terms.key, path, as, size, mtime, state, chunks: flushed };
  }

  // Takes back what was counted of a record that does not hold, but for `have` of its chunks.
  #uncount({ state, size, chunks }: FileRecord, have: number): void {
    const counted = state === 'done' ? size : Math.min(size, chunks * CHUNK_SIZE);
    this.#durable.bytes -= state === 'begun' ? 0 : counted - Math.min(size, have * CHUNK_SIZE);
    this.#durable.entries -= state === 'done' ? 1 : 0;
  }

  #note(record: FileRecord): void {
    this.#records.set(record.path, record);
    if (this.#records.size >= RECORDS) {
      void this.#writeRecords();
    } else {
      this.#timer ??= setTimeout(() => void this.#writeRecords(), RECORDS_MS);
    }
  }

  #writeRecords(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(async () => {
      const all = [...this.#records];
      this.#records = new Map();
      if (this.#terms.journal === undefined || all.length === 0) {
        return;
      }
      const put = all.flatMap(([, record]) => (record === undefined ? [] : [record]));
      const remove = all.flatMap(([path, record]) => (record === undefined ? [path] : []));
      const download = { ...this.#durable };
      try {
        await this.#terms.journal.step(this.#terms.key, { put, remove, download });
      } catch (cause) {
        this.#error ??= { cause };
      }
    });
    return this.#writing;
  }

  #check(): void {
    if (this.#error !== undefined) {
      throw this.#error.cause;
    }
  }
}
