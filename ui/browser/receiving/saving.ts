// What a download asks of the ways of saving; `save/` has them.
import type { Destination, Way, WayOffer } from '../save/destination';

/** What is to be saved. */
export interface SavingInfo {
  /** The same for each visit to a link, and no secret. */
  shareKey: string;
  /** The name of the one file that is wanted, else the share's display name. */
  name: string;
  /** Whether the entry at a path is wanted. */
  chosen: (path: string) => boolean;
  /** What is wanted, as far as it is known. */
  totals: { bytes: number; entries: number; files: number };
}

/** The ways of saving that a page has. */
export interface Saving {
  ways: (info: SavingInfo) => Promise<WayOffer[]>;
  /** Called straight from a click. Refused with `interrupted` when the person closes the browser's picker. */
  openDestination: (way: Way, info: SavingInfo) => Promise<Destination>;
  resumable: (
    shareKey: string,
  ) => Promise<{ way: Way; bytes: number; totalBytes: number } | undefined>;
}
