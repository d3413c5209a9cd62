// What a person gives the page to share: files and folders, in each of the ways that browsers hand them over.
import { ProtocolError } from '../../protocol/error';

/** A file on the person's disk. */
export interface SourceFile {
  readonly kind: 'file';
  readonly name: string;
  /** The file as it is now; rejects with what the browser says. */
  open(): Promise<File>;
}

/** A folder on the person's disk; it is read when it is walked, not before. */
export interface SourceFolder {
  readonly kind: 'folder';
  readonly name: string;
  /** What is in it, in no order; rejects with what the browser says. */
  list(): Promise<readonly SourceItem[]>;
  /** When it was last changed, in milliseconds since 1970, where the browser tells. */
  changedAt(): Promise<number | undefined>;
}

/** Either. */
export type SourceItem = SourceFile | SourceFolder;

/** The files of an input: as they are, or as a tree where they come from a folder (`webkitRelativePath`). */
export function fromFiles(files: readonly File[]): SourceItem[] {
  const top = new HeldFolder('');
  for (const file of files) {
    const names = file.webkitRelativePath.split('/').filter((name) => name !== '');
    let folder = top;
    for (const name of names.slice(0, -1)) {
      folder = folder.enter(name);
    }
    folder.items.push(new HeldFile(file));
  }
  return top.items;
}

/**
 * What was dropped. To be called while the event is handled: the list is empty afterwards. Where a browser gives files
 * only, folders are missing.
 */
export function fromDrop(items: DataTransferItemList): SourceItem[] {
  const found: SourceItem[] = [];
  for (const item of items) {
    if (item.kind !== 'file') {
      continue;
    }
    const entry = item.webkitGetAsEntry();
    const file = entry === null ? item.getAsFile() : null;
    if (entry !== null) {
      found.push(fromEntry(entry));
    } else if (file !== null) {
      found.push(new HeldFile(file));
    }
  }
  return found;
}

/** A folder that the person picked (File System Access). */
export function fromHandle(handle: FileSystemDirectoryHandle): SourceFolder {
  return new HandleFolder(handle);
}

/** The share's name if the person gave none, as the engine makes it. */
export function shareName(items: readonly SourceItem[]): string {
  const [first] = items;
  if (first === undefined || first.name === '') {
    return 'files';
  }
  return items.length === 1
    ? first.name
    : `${first.name} and ${(items.length - 1).toString()} more`;
}

/** Nothing to share is an error that a person can mend. */
export function refuseNothing(items: readonly SourceItem[]): void {
  if (items.length === 0) {
    throw new ProtocolError('source_missing', 'nothing was chosen');
  }
}

class HeldFile implements SourceFile {
  readonly kind = 'file';
  readonly #file: File;

  constructor(file: File) {
    this.#file = file;
  }

  get name(): string {
    return this.#file.name;
  }

  open(): Promise<File> {
    return Promise.resolve(this.#file);
  }
}

class HeldFolder implements SourceFolder {
  readonly kind = 'folder';
  readonly items: SourceItem[] = [];
  readonly #folders = new Map<string, HeldFolder>();

  constructor(readonly name: string) {}

  enter(name: string): HeldFolder {
    let folder = this.#folders.get(name);
    if (folder === undefined) {
      folder = new HeldFolder(name);
      this.#folders.set(name, folder);
      this.items.push(folder);
    }
    return folder;
  }

  list(): Promise<readonly SourceItem[]> {
    return Promise.resolve(this.items);
  }

  changedAt(): Promise<number | undefined> {
    return Promise.resolve(undefined);
  }
}

// What is not in the standard, and where it is there saves folders their time.
interface Dated {
  getMetadata?: (
    found: (metadata: { modificationTime: Date }) => void,
    failed: (error: unknown) => void,
  ) => void;
}

function fromEntry(entry: FileSystemEntry): SourceItem {
  return entry.isDirectory
    ? new EntryFolder(entry as FileSystemDirectoryEntry)
    : new EntryFile(entry as FileSystemFileEntry);
}

class EntryFile implements SourceFile {
  readonly kind = 'file';
  readonly #entry: FileSystemFileEntry;

  constructor(entry: FileSystemFileEntry) {
    this.#entry = entry;
  }

  get name(): string {
    return this.#entry.name;
  }

  open(): Promise<File> {
    return new Promise((resolve, reject) => {
      this.#entry.file(resolve, reject);
    });
  }
}

class EntryFolder implements SourceFolder {
  readonly kind = 'folder';
  readonly #entry: FileSystemDirectoryEntry;

  constructor(entry: FileSystemDirectoryEntry) {
    this.#entry = entry;
  }

  get name(): string {
    return this.#entry.name;
  }

  async list(): Promise<readonly SourceItem[]> {
    const reader = this.#entry.createReader();
    const items: SourceItem[] = [];
    for (;;) {
      // It gives a hundred or so at a time, and none when there are no more.
      const some = await new Promise<FileSystemEntry[]>((resolve, reject) => {
        reader.readEntries(resolve, reject);
      });
      if (some.length === 0) {
        return items;
      }
      for (const entry of some) {
        items.push(fromEntry(entry));
      }
    }
  }

  changedAt(): Promise<number | undefined> {
    const dated = this.#entry as Dated;
    return new Promise((resolve) => {
      if (dated.getMetadata === undefined) {
        resolve(undefined);
      } else {
        dated.getMetadata(
          ({ modificationTime }) => {
            resolve(modificationTime.getTime());
          },
          () => {
            resolve(undefined);
          },
        );
      }
    });
  }
}

class HandleFile implements SourceFile {
  readonly kind = 'file';
  readonly #handle: FileSystemFileHandle;

  constructor(handle: FileSystemFileHandle) {
    this.#handle = handle;
  }

  get name(): string {
    return this.#handle.name;
  }

  open(): Promise<File> {
    return this.#handle.getFile();
  }
}

class HandleFolder implements SourceFolder {
  readonly kind = 'folder';
  readonly #handle: FileSystemDirectoryHandle;

  constructor(handle: FileSystemDirectoryHandle) {
    this.#handle = handle;
  }

  get name(): string {
    return this.#handle.name;
  }

  async list(): Promise<readonly SourceItem[]> {
    const items: SourceItem[] = [];
    for await (const handle of this.#handle.values()) {
      items.push(handle.kind === 'file' ? new HandleFile(handle) : new HandleFolder(handle));
    }
    return items;
  }

  changedAt(): Promise<number | undefined> {
    return Promise.resolve(undefined);
  }
}
