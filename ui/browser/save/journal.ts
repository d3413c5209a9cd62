// What was begun and is to go on another time, in IndexedDB: one record a download, and one a path of it.
//
// What a record says was durable before it was written, so that a crash loses records and never makes false ones.
import type { Mtime } from '../../protocol/bindings';
import type { Way } from './destination';

/** One download that is not over. */
export interface DownloadRecord {
  readonly key: string;
  readonly way: Way;
  /** The share's name. */
  readonly name: string;
  /** Where it goes, for `folder`. */
  readonly folder?: FileSystemDirectoryHandle | undefined;
  /** Whether it is one file as it is, for `private`. */
  readonly isSingle: boolean;
  readonly totalBytes: number;
  /** What is durable. */
  readonly bytes: number;
  readonly entries: number;
  /** Where the next entry of an archive begins. */
  readonly end: number;
  /** When it was last written to, in milliseconds since 1970. */
  readonly touched: number;
}

/** What is known of one path of a download. */
export interface FileRecord {
  readonly key: string;
  readonly path: string;
  /** The path under which it is written. */
  readonly as: string;
  readonly size: number;
  readonly mtime: Mtime;
  /** `begun`: a name was settled; `staged`: chunks are in the private file system; `done`: it is in its place. */
  readonly state: 'begun' | 'staged' | 'done';
  readonly chunks: number;
  /** The rest is for archives. */
  readonly kind?: 'file' | 'executable' | 'directory' | 'symlink';
  readonly offset?: number;
  readonly crc?: number;
}

/** What changes with one step. */
export interface Step {
  put: readonly FileRecord[];
  remove: readonly string[];
  download?: Partial<Pick<DownloadRecord, 'bytes' | 'entries' | 'end'>>;
}

const NAME = 'sluice-saving';
const DOWNLOADS = 'downloads';
const FILES = 'files';
// A download that nobody has come back for.
const FORGOTTEN_MS = 14 * 24 * 60 * 60 * 1000;

/** The journal of this origin. */
export class Journal {
  private constructor(private readonly db: IDBDatabase) {}

  /** Opens it; a browser that has none, or refuses, resumes nothing. */
  static async open(): Promise<Journal | undefined> {
    try {
      const request = indexedDB.open(NAME, 1);
      request.onupgradeneeded = () => {
        request.result.createObjectStore(DOWNLOADS, { keyPath: 'key' });
        request.result.createObjectStore(FILES, { keyPath: ['key', 'path'] });
      };
      const db = await result(request);
      // Another tab with a newer page.
      db.onversionchange = () => db.close();
      return new Journal(db);
    } catch {
      return undefined;
    }
  }

  close(): void {
    this.db.close();
  }

  download(key: string): Promise<DownloadRecord | undefined> {
    const store = this.db.transaction(DOWNLOADS).objectStore(DOWNLOADS);
    return result<DownloadRecord | undefined>(store.get(key));
  }

  /** Notes a download that begins, in place of what was known of its key. */
  async begin(download: DownloadRecord): Promise<void> {
    const change = this.db.transaction([DOWNLOADS, FILES], 'readwrite');
    change.objectStore(FILES).delete(pathsOf(download.key));
    change.objectStore(DOWNLOADS).put(download);
    await over(change);
  }

  /** All that is known of a download's paths. */
  files(key: string): Promise<FileRecord[]> {
    const store = this.db.transaction(FILES).objectStore(FILES);
    return result<FileRecord[]>(store.getAll(pathsOf(key)));
  }

  /** What is known of these paths, in their order. */
  lookUp(key: string, paths: readonly string[]): Promise<(FileRecord | undefined)[]> {
    const store = this.db.transaction(FILES).objectStore(FILES);
    return Promise.all(paths.map((path) => result<FileRecord | undefined>(store.get([key, path]))));
  }

  /** Writes one step, all of it or nothing. */
  async step(key: string, { put, remove, download }: Step): Promise<void> {
    const change = this.db.transaction([DOWNLOADS, FILES], 'readwrite');
    const files = change.objectStore(FILES);
    remove.forEach((path) => files.delete([key, path]));
    put.forEach((record) => files.put(record));
    const downloads = change.objectStore(DOWNLOADS);
    const old = downloads.get(key) as IDBRequest<DownloadRecord | undefined>;
    old.onsuccess = () => {
      if (old.result !== undefined) {
        downloads.put({ ...old.result, ...download, touched: Date.now() });
      }
    };
    await over(change);
  }

  /** Forgets a download. */
  async remove(key: string): Promise<void> {
    const change = this.db.transaction([DOWNLOADS, FILES], 'readwrite');
    change.objectStore(FILES).delete(pathsOf(key));
    change.objectStore(DOWNLOADS).delete(key);
    await over(change);
  }

  /** The keys of downloads that were left alone for two weeks. */
  async forgotten(): Promise<string[]> {
    const store = this.db.transaction(DOWNLOADS).objectStore(DOWNLOADS);
    const all = await result<DownloadRecord[]>(store.getAll());
    return all.filter(({ touched }) => touched < Date.now() - FORGOTTEN_MS).map(({ key }) => key);
  }
}

function pathsOf(key: string): IDBKeyRange {
  // An array is behind every text.
  return IDBKeyRange.bound([key], [key, []]);
}

function result<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new DOMException('unknown', 'UnknownError'));
    if (request instanceof IDBOpenDBRequest) {
      request.onblocked = () => reject(new DOMException('blocked', 'InvalidStateError'));
    }
  });
}

function over(change: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (): void => reject(change.error ?? new DOMException('unknown', 'UnknownError'));
    change.oncomplete = () => resolve();
    change.onerror = failed;
    change.onabort = failed;
  });
}
