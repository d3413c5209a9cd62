// The origin-private file system, as far as downloads use it: a folder for each, written by a worker.
import { sha256 } from '@noble/hashes/sha2.js';
import type { Bytes } from '../../protocol/bytes';
import { encodeBase64, encodeText } from '../../protocol/bytes';

/** A call to the worker; `file` is a number that the page gave it. */
export type DiskCall = { id: number; file: number } & (
  | { op: 'open'; folder: FileSystemDirectoryHandle; name: string }
  | { op: 'write'; at: number; bytes: Bytes }
  | { op: 'truncate'; size: number }
  | { op: 'flush' | 'close' }
);

/** What came of a call; the size is that of a file that was opened. */
export type DiskAnswer =
  { id: number; size: number } | { id: number; error: { name: string; message: string } };

type Op = DiskCall extends infer Call
  ? Call extends DiskCall
    ? Omit<Call, 'id' | 'file'>
    : never
  : never;

// What our folders there start with.
const PREFIX = 'sluice-';

/** What one download keeps in the origin-private file system. */
export class Disk {
  readonly #worker: Worker;
  readonly #waiting = new Map<
    number,
    { resolve: (size: number) => void; reject: (error: unknown) => void }
  >();
  #next = 0;

  private constructor(private readonly folder_: FileSystemDirectoryHandle) {
    this.#worker = new Worker(new URL('./disk.worker.ts', import.meta.url), { type: 'module' });
    this.#worker.onmessage = ({ data }: MessageEvent<DiskAnswer>) => this.#answered(data);
    this.#worker.onerror = () => {
      const error = new DOMException('the worker does not run', 'InvalidStateError');
      this.#waiting.forEach(({ reject }) => reject(error));
      this.#waiting.clear();
    };
  }

  /** The folder of the download `key`, which is made if it is missing. */
  static async open(key: string): Promise<Disk> {
    const root = await navigator.storage.getDirectory();
    return new Disk(await root.getDirectoryHandle(folderName(key), { create: true }));
  }

  /** Whether this browser has such a file system, and lets a worker write to it. */
  static async isThere(): Promise<boolean> {
    try {
      const disk = await Disk.open('probe');
      const file = await disk.file('probe');
      await file.write(0, new Uint8Array(1));
      await file.close();
      disk.close();
      await Disk.remove('probe');
      return true;
    } catch {
      // A browser without it, or a private window that refuses.
      return false;
    }
  }

  /** Removes all that the download `key` has here. */
  static async remove(key: string): Promise<void> {
    const root = await navigator.storage.getDirectory();
    await root.removeEntry(folderName(key), { recursive: true }).catch(() => undefined);
  }

  /** Bytes that may still be written, as the browser says. */
  static async room(): Promise<number> {
    const { quota = 0, usage = 0 } = await navigator.storage.estimate();
    return Math.max(0, quota - usage);
  }

  /** Opens the file `name` for writing, which is made if it is missing; no one else can open it meanwhile. */
  async file(name: string): Promise<DiskFile> {
    const file = (this.#next += 1);
    const size = await this.#call(file, { op: 'open', folder: this.folder_, name });
    return new DiskFile((op, transfer) => this.#call(file, op, transfer), size);
  }

  /** The file `name` for reading; its content stays on the disk. */
  async read(name: string): Promise<File> {
    return (await this.folder_.getFileHandle(name)).getFile();
  }

  /** Removes the file `name`, if it is there. */
  async remove(name: string): Promise<void> {
    await this.folder_.removeEntry(name).catch(() => undefined);
  }

  /** Ends the worker; what is open is closed by that. */
  close(): void {
    this.#worker.terminate();
  }

  #call(file: number, op: Op, transfer: Transferable[] = []): Promise<number> {
    const id = (this.#next += 1);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, file, ...op } satisfies DiskCall, transfer);
    });
  }

  #answered(answer: DiskAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ('error' in answer) {
      waiting?.reject(new DOMException(answer.error.message, answer.error.name));
    } else {
      waiting?.resolve(answer.size);
    }
  }
}

/** A file that is open for writing; calls are carried out in their order. */
export class DiskFile {
  readonly #call: (op: Op, transfer?: Transferable[]) => Promise<number>;

  constructor(
    call: (op: Op, transfer?: Transferable[]) => Promise<number>,
    /** Its bytes when it was opened. */
    readonly size: number,
  ) {
    this.#call = call;
  }

  /** Resolves when the bytes are with the system. The buffer is given away if it holds nothing else. */
  async write(at: number, bytes: Bytes): Promise<void> {
    const isWhole = bytes.byteLength === bytes.buffer.byteLength;
    await this.#call({ op: 'write', at, bytes }, isWhole ? [bytes.buffer] : []);
  }

  /** Resolves when all that was written is on the disk. */
  async flush(): Promise<void> {
    await this.#call({ op: 'flush' });
  }

  async truncate(size: number): Promise<void> {
    await this.#call({ op: 'truncate', size });
  }

  async close(): Promise<void> {
    await this.#call({ op: 'close' });
  }
}

// A hash, because a key may hold what a name can't.
function folderName(key: string): string {
  return PREFIX + encodeBase64(sha256(encodeText(`sluice/1 saving ${key}`)).subarray(0, 16));
}
