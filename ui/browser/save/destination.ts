// Where a download of the page goes: one interface over the ways that browsers have of saving.
import type { Entry, EntryFailure, RecordHeader, Want } from '../../protocol/bindings';
import type { Bytes } from '../../protocol/bytes';
import type { Handover } from '../page';

/**
 * How a download is saved, from what can do most to what can do least.
 *
 * `folder`: into a folder of the person's, as a tree. `stream`: through the browser's own downloads, while it comes.
 * `private`: into the origin-private file system, handed over at the end. `memory`: the same, in memory, and capped.
 */
export type Way = 'folder' | 'stream' | 'private' | 'memory';

/** What the page needs to know of a way before anything is begun. */
export interface WayOffer {
  way: Way;
  /** Bytes that can be saved so at most, where there is such a limit. */
  limit: number | undefined;
  /** Whether a download goes on after the page was closed, reloaded or has crashed. */
  resumes: boolean;
  /** Files of more bytes than this begin anew after the page was gone, for want of room to stage them. */
  resumesTo: number | undefined;
  /** Whether several files are put into one zip. */
  zips: boolean;
}

/** What is saved in the end, and what was not. */
export interface SavingReport {
  bytes: number;
  entries: number;
  /** Entries that have another name than at the sender. */
  renamed: readonly { path: string; as: string }[];
  /** Entries that are not there: failed at the sender, or can't be held here. */
  failed: readonly { path: string; failure: EntryFailure | 'symlink' | 'name' | 'disk' }[];
}

/** What is durable by now, from earlier sessions too. */
export interface Durable {
  bytes: number;
  entries: number;
}

/**
 * Takes the content of what was chosen. It outlives the sessions that bring it: a session that follows a lost one plans
 * anew from the first page on, and is asked only for what is missing.
 *
 * Every method rejects with a `ProtocolError`: `disk_full`, `disk_failed`, `destination_gone`, or `interrupted` where the
 * person cancelled what the browser was saving. After that nothing more can be written. Whoever drives it waits
 * for each answer of `plan`, and calls `write` and `fail` in the order in which chunks and failures come; it need not wait
 * for one `write` before the next, and counts a chunk as written when its promise resolves.
 */
export interface Destination {
  readonly way: Way;
  durable(): Durable;
  /**
   * Takes one page of the manifest, in the order of its pages. Makes directories, settles names, and says which chunks
   * of the page's chosen files are wanted, ascending by entry. Content of pages before it may be written meanwhile.
   */
  plan(firstEntry: number, entries: readonly Entry[]): Promise<Want[]>;
  /** Writes a chunk that was opened and is therefore authentic; its buffer may be given away. `last` says that nothing more of the entry comes. */
  write(header: RecordHeader, chunk: Bytes, last: boolean): Promise<void>;
  /** What is missing of this entry will not come. */
  fail(entry: number, failure: EntryFailure): Promise<void>;
  /** Everything has come: resolves when all of it is durable and in its place. */
  finish(): Promise<SavingReport>;
  /** What the person is to click, after `finish`, where the files are with the page: `private` and `memory`. */
  handover(): Promise<Handover | undefined>;
  /** Keeps what is there for another time, and lets go of files that are open. */
  close(): Promise<void>;
  /** Removes what was begun and is not complete. */
  discard(): Promise<void>;
}
