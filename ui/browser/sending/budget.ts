// How much may wait in the channels of all receivers together: an even share for each, so that none is far behind.

// Twenty receivers have a quarter of a megabyte each.
const TOTAL = 5 * 1_048_576;
const LEAST = 262_144;
const MOST = 1_048_576;

/** Counts those who are served. */
export class Budget {
  #count = 0;

  /** Counts one in, until the returned function is called. */
  join(): () => void {
    this.#count += 1;
    return () => {
      this.#count -= 1;
    };
  }

  /** Bytes that may wait in one channel now. */
  share(): number {
    return Math.min(Math.max(TOTAL / Math.max(this.#count, 1), LEAST), MOST);
  }
}
