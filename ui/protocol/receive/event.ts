// What a receiving session tells its driver.
import type { Entry, EntryFailure, Totals } from '../bindings';
import type { SealedChunk } from './chunk';

/** The order matters: pages, chunks and failures are to be taken one after the other. */
export type ReceiveEvent =
  /** The sender is the one that made the link; the share's display name. */
  | { type: 'opened'; name: string }
  /** The share is known a little better, or completely. */
  | { type: 'totals'; totals: Totals }
  /** A page to look at, while the share is listed; it comes again as `page` once the choice is made. */
  | { type: 'listed'; entries: Entry[] }
  /** The manifest is complete and all of it was listed. */
  | { type: 'all_listed' }
  /** The person at the sender holds the content back, or lets it flow again. */
  | { type: 'paused'; paused: boolean }
  /** A page of the manifest and the number of its first entry; to be answered by `handlePlan`. */
  | { type: 'page'; first_entry: number; entries: Entry[] }
  /** The next chunk. */
  | { type: 'chunk'; chunk: SealedChunk }
  /** What is missing of this entry will not come. */
  | { type: 'entry_failed'; entry: number; failure: EntryFailure }
  /** The manifest is complete, and all that was wanted has come; answer with `handleAllDurable`. */
  | { type: 'all_received' }
  /** The sender has heard that everything is durable. */
  | { type: 'done' };
