// How fast bytes move: a rate that is calm enough to read, and the plot of the last two minutes.
//
// Times are milliseconds since any beginning.

/** The most samples of a plot, one a second. */
export const PLOT_LEN = 120;
// Whole seconds that a rate is the mean of: bytes arrive in leaps.
const WINDOW = 3;
// The least seconds that a rate is of, so that the first bytes are not taken for a flood.
const LEAST = 0.5;

/** Bytes as they pass, in buckets of a second. It rests when nothing has moved for two minutes. */
export class Flow {
  // When the first bucket began, while it does not rest.
  #begun: number | undefined;
  // Whole seconds since then.
  #second = 0;
  #current = 0;
  #past: number[] = [];

  /** Counts bytes that have passed at `now`. */
  handleBytes(bytes: number, now: number): void {
    if (bytes > 0) {
      this.handleTime(now);
      this.#begun ??= now;
      this.#current += bytes;
    }
  }

  /** Lets time pass; says whether a second was completed, so that the plot is another. */
  handleTime(now: number): boolean {
    if (this.#begun === undefined) {
      return false;
    }
    const second = Math.floor(Math.max(now - this.#begun, 0) / 1000);
    const passed = second - this.#second;
    for (let at = 0; at < Math.min(passed, PLOT_LEN); at += 1) {
      this.#past.push(this.#current);
      this.#current = 0;
    }
    this.#past = this.#past.slice(-PLOT_LEN);
    this.#second = Math.max(this.#second, second);
    const isStill = this.#current === 0 && this.#past.every((bytes) => bytes === 0);
    if (this.#past.length === PLOT_LEN && isStill) {
      this.clear();
    }
    return passed > 0;
  }

  /** Forgets everything. */
  clear(): void {
    this.#begun = undefined;
    this.#second = 0;
    this.#current = 0;
    this.#past = [];
  }

  /** Bytes a second over the last few. */
  rate(now: number): number {
    if (this.#begun === undefined) {
      return 0;
    }
    const age = Math.max(now - this.#begun, 0) / 1000;
    const second = Math.floor(age);
    // Seconds that have passed since the last word of time are empty.
    const unseen = second - this.#second;
    const seen = Math.max(WINDOW - unseen, 0);
    const past = seen === 0 ? [] : this.#past.slice(-seen);
    const bytes = past.reduce((sum, some) => sum + some, unseen <= WINDOW ? this.#current : 0);
    return bytes / Math.max(Math.min(second, WINDOW) + age - second, LEAST);
  }

  /** The bytes of each whole second, the newest last; at most {@link PLOT_LEN}. */
  plot(): readonly number[] {
    return this.#past;
  }
}

/** Seconds for so many bytes at this rate, where that can be told. */
export function secondsLeft(bytes: number, rate: number): number | null {
  if (bytes <= 0) {
    return 0;
  }
  return rate > 0 ? Math.ceil(bytes / rate) : null;
}
