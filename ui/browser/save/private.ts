// A sink in the origin-private file system, and what remembers an archive there from one visit to the next.
import type { Bytes } from '../../protocol/bytes';
import type { Handover } from '../page';
import type { Filed, Keeper, Sink } from './archive';
import type { Durable } from './destination';
import type { Disk, DiskFile } from './disk';
import type { FileRecord, Journal } from './journal';

const FILE = 'content';

/** One file of a download's folder; handed over under `name` without a copy in memory. */
export class PrivateSink implements Sink {
  readonly seeks = true;
  #isClosed = false;

  private constructor(
    private readonly disk: Disk,
    private readonly file: DiskFile,
    private readonly name: string,
    private readonly remove: () => Promise<void>,
  ) {}

  static async open(disk: Disk, name: string, remove: () => Promise<void>): Promise<PrivateSink> {
    return new PrivateSink(disk, await disk.file(FILE), name, remove);
  }

  /** Bytes that were there when it was opened. */
  get size(): number {
    return this.file.size;
  }

  write(at: number, bytes: Bytes): Promise<void> {
    return this.file.write(at, bytes);
  }

  flush(): Promise<void> {
    return this.file.flush();
  }

  async end(length: number): Promise<void> {
    await this.file.truncate(length);
    await this.file.flush();
    await this.#letGo();
  }

  async handover(): Promise<Handover> {
    const file = await this.disk.read(FILE);
    return { name: this.name, url: URL.createObjectURL(new File([file], this.name)) };
  }

  async close(): Promise<void> {
    await this.#letGo();
    this.disk.close();
  }

  async discard(): Promise<void> {
    await this.close();
    await this.remove();
  }

  async #letGo(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      await this.file.close();
    }
  }
}

/** An archive's keeper over the journal. */
export class JournalKeeper implements Keeper {
  constructor(
    private readonly journal: Journal,
    private readonly key: string,
    // Bytes that the file has.
    private readonly size: number,
  ) {}

  async load(): Promise<{ entries: Filed[]; end: number }> {
    const records = await this.journal.files(this.key);
    const end = (await this.journal.download(this.key))?.end ?? 0;
    // The browser may have thrown the file away and kept the journal.
    return this.size > 0 ? { entries: records.map(filedOf), end } : { entries: [], end: 0 };
  }

  async keep(
    changed: readonly Filed[],
    forgotten: readonly string[],
    now: Durable & { end: number },
  ): Promise<void> {
    await this.journal.step(this.key, {
      put: changed.map((filed) => recordOf(this.key, filed)),
      remove: forgotten,
      download: now,
    });
  }

  async remove(): Promise<void> {
    await this.journal.remove(this.key);
  }
}

function recordOf(key: string, filed: Filed): FileRecord {
  const { path, name, size, mtime, chunks, kind, offset, crc, isDone } = filed;
  const state = isDone ? 'done' : 'staged';
  return { key, path, as: name, size, mtime, state, chunks, kind, offset, crc };
}

function filedOf(record: FileRecord): Filed {
  const { path, as, size, mtime, state, chunks, kind = 'file', offset = 0, crc = 0 } = record;
  const isDone = state === 'done';
  return { path, name: as, kind, size, mtime, crc, offset, streamed: false, chunks, isDone };
}
