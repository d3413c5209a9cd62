// What one connection knows of how much is chosen, how much of that was there before, and how much has come.
import { CHUNK_SIZE, type Entry, type Totals, type Want } from '../../protocol/bindings';
import { entrySize } from '../../protocol/manifest';
import type { Durable } from '../save/destination';
import type { Progress } from './event';

type What = 'bytes' | 'entries';

/** The count of one connection; the next one begins anew. */
export class Count {
  readonly chosen = { bytes: 0, entries: 0 };
  #totals: Totals | undefined;
  #counted: Record<What, number> | undefined;
  #pages = 0;
  #have = 0;
  #received = 0;
  #current: string | null = null;
  // Of entries whose content is to come.
  readonly #paths = new Map<number, string>();

  /** How many pages are planned. */
  get pages(): number {
    return this.#pages;
  }

  /** The share is known a little better. */
  handleTotals(totals: Totals): void {
    this.#totals = totals;
  }

  /** What is chosen of a share that was listed to its end, before it is planned. */
  handleCounted(counted: Record<What, number> | undefined): void {
    this.#counted = counted;
  }

  /** A page is planned: what of it is chosen, and what of that is still wanted. */
  handlePlanned(
    firstEntry: number,
    entries: readonly Entry[],
    takes: (path: string) => boolean,
    wants: readonly Want[],
  ): void {
    this.#pages += 1;
    for (const entry of entries) {
      if (takes(entry.path)) {
        this.chosen.bytes += entrySize(entry);
        this.chosen.entries += 1;
        this.#have += entrySize(entry);
      }
    }
    for (const { entry: number, ranges } of wants) {
      const entry = entries[number - firstEntry];
      if (entry !== undefined) {
        this.#paths.set(number, entry.path);
        const size = entrySize(entry);
        for (const { start, end } of ranges) {
          this.#have -= Math.min(end * CHUNK_SIZE, size) - start * CHUNK_SIZE;
        }
      }
    }
  }

  /** A chunk has come. */
  handleReceived(length: number): void {
    this.#received += length;
  }

  /** A chunk is written; `isLast` that nothing more of its entry comes. */
  handleWritten(entry: number, isLast: boolean): void {
    this.#current = this.#paths.get(entry) ?? this.#current;
    if (isLast) {
      this.#paths.delete(entry);
    }
  }

  /** Nothing comes any more. */
  handleEnd(): void {
    this.#current = null;
    this.#paths.clear();
  }

  /** Until every page is planned, what was counted or else what is offered is the better guess of what is chosen. */
  total(what: What): number {
    const isPlanned = this.#totals === undefined || this.#totals.pages <= this.#pages;
    const guess = this.#counted?.[what] ?? this.#totals?.[what] ?? 0;
    return isPlanned ? this.chosen[what] : Math.max(guess, this.chosen[what]);
  }

  /** How far it is, where the destination has so much. */
  progress(durable: Durable): Progress {
    return {
      bytes: Math.min(this.#have + this.#received, this.chosen.bytes),
      durableBytes: durable.bytes,
      entries: durable.entries,
      totalBytes: this.total('bytes'),
      totalEntries: this.total('entries'),
      complete: this.#totals?.complete === true && this.#totals.pages === this.#pages,
      current: this.#current,
    };
  }
}
