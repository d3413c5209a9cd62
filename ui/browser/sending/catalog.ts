// What a share holds: its manifest's pages, made while the disk is walked, and the way back from an entry to its content.
import type { Entry, EntryFailure, EntryKind, Piece, Totals } from '../../protocol/bindings';
import { CHUNK_SIZE } from '../../protocol/bindings';
import type { Bytes } from '../../protocol/bytes';
import { PageBuilder, entrySize } from '../../protocol/manifest';
import { failureOf } from './failure';
import type { SourceFile } from './source';

/** One encoded page of the manifest. */
export interface CatalogPage {
  /** The number of its first entry. */
  readonly firstEntry: number;
  readonly encoded: Uint8Array;
}

/** What of an entry's content was listed. */
interface Listed {
  readonly file: SourceFile;
  /** Bytes. */
  readonly size: number;
  /** `File.lastModified`. */
  readonly changedAt: number;
}

/**
 * The pages and files of one share; all receivers share it, and nothing in it grows with them.
 *
 * It holds the encoded pages (about 30 bytes an entry) and, for each entry, what the browser gave.
 */
export class Catalog {
  #totals: Totals = { pages: 0, entries: 0, bytes: 0, unreadable: 0, complete: false };
  // Includes the entries of the page that is being built.
  #pending: Totals = { ...this.#totals };
  readonly #builder = new PageBuilder();
  readonly #pages: CatalogPage[] = [];
  readonly #listed: (Listed | undefined)[] = [];
  readonly #listeners = new Set<() => void>();

  /** What was found so far. */
  get totals(): Totals {
    return this.#totals;
  }

  /** Tells when {@link totals} change, until the returned function is called. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The page with this number, below {@link Totals.pages}. */
  page(index: number): CatalogPage | undefined {
    return this.#pages[index];
  }

  /** Bytes of an entry's content: 0 for what is no file, nothing for what is not listed yet. */
  sizeOf(entry: number): number | undefined {
    return entry < this.#totals.entries ? (this.#listed[entry]?.size ?? 0) : undefined;
  }

  /** The file behind an entry, as it was listed. */
  listed(entry: number): Listed | undefined {
    return this.#listed[entry];
  }

  /** Adds an entry; `file` is its content, for a file. */
  add(entry: Entry, file?: { source: SourceFile; changedAt: number }): void {
    if (!this.#builder.push(entry)) {
      this.publish();
      // An entry with the longest path is shorter than a page.
      this.#builder.push(entry);
    }
    const size = entrySize(entry);
    this.#listed.push(
      file === undefined ? undefined : { file: file.source, size, changedAt: file.changedAt },
    );
    this.#pending.entries += 1;
    this.#pending.bytes += size;
    this.#pending.unreadable += isUnreadable(entry.kind) ? 1 : 0;
  }

  /** Shows the page that is being built. */
  publish(): void {
    const count = this.#builder.length;
    if (count > 0) {
      const firstEntry = this.#pending.entries - count;
      this.#pages.push({ firstEntry, encoded: this.#builder.take() });
      this.#pending.pages += 1;
      this.#tell();
    }
  }

  /** Nothing will follow. */
  complete(): void {
    this.publish();
    this.#pending.complete = true;
    this.#tell();
  }

  #tell(): void {
    this.#totals = { ...this.#pending };
    for (const listener of this.#listeners) {
      listener();
    }
  }
}

function isUnreadable(kind: EntryKind): boolean {
  return kind.type === 'unreadable';
}

/** Reads chunks for one receiver; keeps the last file open, and nothing of what it read. */
export class CatalogReader {
  readonly #catalog: Catalog;
  #open: { entry: number; file: Promise<File> } | undefined;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  /**
   * The content of a piece, or why there is none. A file that is not what was listed is `changed`: where a browser
   * remembers what it saw first (Firefox does, for files of an input), only one that became shorter is noticed.
   */
  async read({ entry, chunk, len }: Piece): Promise<Bytes | EntryFailure> {
    const listed = this.#catalog.listed(entry);
    if (listed === undefined) {
      return 'changed';
    }
    const start = chunk * CHUNK_SIZE;
    let file: File | undefined;
    try {
      file = await this.#file(entry, listed);
      const bytes = new Uint8Array(await file.slice(start, start + len).arrayBuffer());
      // After the read, so that a change during it is seen.
      if (bytes.length === len && isAsListed(file, listed)) {
        return bytes;
      }
      this.#open = undefined;
      return 'changed';
    } catch (error) {
      this.#open = undefined;
      return whyNot(error, file, listed);
    }
  }

  #file(entry: number, listed: Listed): Promise<File> {
    if (this.#open?.entry !== entry) {
      this.#open = { entry, file: listed.file.open() };
    }
    return this.#open.file;
  }
}

// Browsers say the same of a file that was changed and of one that is not theirs to read. One that can be looked at anew,
// and is as it was, is the latter; a file of an input stays as it was first seen.
async function whyNot(
  error: unknown,
  file: File | undefined,
  listed: Listed,
): Promise<EntryFailure> {
  const failure = failureOf(error);
  if (failure !== 'changed') {
    return failure;
  }
  try {
    const anew = await listed.file.open();
    return anew !== file && isAsListed(anew, listed) ? 'denied' : 'changed';
  } catch {
    return 'changed';
  }
}

function isAsListed(file: File, { size, changedAt }: Listed): boolean {
  return file.size === size && file.lastModified === changedAt;
}
