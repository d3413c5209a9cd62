// How far a download is, as every view draws it.

/** Amounts of one download. */
export interface TransferProgress {
  /** Bytes that have come, those of earlier times too. */
  bytes: number;
  /** Bytes of all that was chosen, as far as it is known. */
  totalBytes: number;
  /** Entries that are whole and verified. */
  entries: number;
  /** Entries that were chosen, as far as they are known. */
  totalEntries: number;
  /** Seconds until all is there, where known. */
  secondsLeft: number | null;
  /** The path of the entry that comes now. */
  current: string | null;
}
