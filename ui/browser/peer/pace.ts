// How long a place in line will still be waited for, from how fast it has moved.

// One move in a moment says little of the next.
const LEAST_MS = 5_000;

/** Watches one place. Times are milliseconds since any beginning. */
export class Pace {
  // When this place was first told, and how many were ahead then.
  #first: { since: number; ahead: number } | undefined;
  #last = 0;

  /**
   * So many wait ahead at `now`: how many milliseconds it will take until a slot is free for this one, if it went on as
   * it has since the beginning; unknown until the place has moved, and for the first seconds.
   */
  handleAhead(ahead: number, now: number): number | undefined {
    // A place further back is another place: the line was lost, or one came back to where it had been.
    if (this.#first === undefined || ahead > this.#last) {
      this.#first = { since: now, ahead };
    }
    this.#last = ahead;
    const moved = this.#first.ahead - ahead;
    const watched = now - this.#first.since;
    // One more than those ahead: the slot for this one has to become free too.
    return moved > 0 && watched >= LEAST_MS ? (watched * (ahead + 1)) / moved : undefined;
  }

  /** It waits no more. */
  forget(): void {
    this.#first = undefined;
  }
}
