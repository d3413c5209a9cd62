// Sets of chunk numbers as sorted, disjoint half-open ranges: what is verified, and what is missing.

/** The chunks from `start` up to, and without, `end`. */
export interface Range {
  start: number;
  end: number;
}

/** A set of chunk numbers. Memory is proportional to the number of gaps, not of chunks. */
export class Ranges {
  // Sorted, disjoint, not touching, none empty.
  readonly #runs: Range[] = [];

  /** Adds all of `range`; overlapping and touching runs become one. */
  insert(range: Range): void {
    if (range.start >= range.end) {
      return;
    }
    const first = this.#firstNot((run) => run.end < range.start);
    const last = this.#firstNot((run) => run.start <= range.end);
    const [low, high] = [this.#runs[first], this.#runs[last - 1]];
    const merged =
      first < last && low !== undefined && high !== undefined
        ? { start: Math.min(range.start, low.start), end: Math.max(range.end, high.end) }
        : { start: range.start, end: range.end };
    this.#runs.splice(first, last - first, merged);
  }

  /** Whether `chunk` is in the set. */
  contains(chunk: number): boolean {
    const run = this.#runs[this.#firstNot((run) => run.end <= chunk)];
    return run !== undefined && run.start <= chunk;
  }

  /** How many chunks are in the set. */
  get length(): number {
    return this.#runs.reduce((length, run) => length + run.end - run.start, 0);
  }

  /** The runs in ascending order. */
  *[Symbol.iterator](): Iterator<Range> {
    for (const run of this.#runs) {
      yield { ...run };
    }
  }

  /** What of the chunks below `total` is not in the set, in ascending order. */
  missing(total: number): Range[] {
    const gaps: Range[] = [];
    let at = 0;
    for (const run of this.#runs) {
      if (run.start >= total) {
        break;
      }
      if (at < run.start) {
        gaps.push({ start: at, end: run.start });
      }
      at = run.end;
    }
    if (at < total) {
      gaps.push({ start: at, end: total });
    }
    return gaps;
  }

  // The number of the first run for which `holds` does not hold; it holds for all before.
  #firstNot(holds: (run: Range) => boolean): number {
    let [low, high] = [0, this.#runs.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const run = this.#runs[middle];
      if (run !== undefined && holds(run)) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
}
