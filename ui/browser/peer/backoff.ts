// How long a client waits before it tries again: longer each time, and never two clients the same time.
//
// Times are milliseconds since any beginning. Jitter is a number from 0 to below 1, given by whoever asks.

/** The first pause, before it is spread. */
export const FIRST_RETRY_MS = 250;
/** The longest pause, before it is spread. */
export const LAST_RETRY_MS = 5_000;
/** The pause before a server that said that it restarts is asked again, before it is spread. */
export const RESTART_MS = 250;
/** How long a server that said so may take to restart before that is trouble. */
export const RESTART_TIME_MS = 5_000;
// The longest that a server may ask not to be asked again: none can send its clients away for good.
const LONGEST_REST_MS = 300_000;
// What has worked for so long was no part of the trouble.
const STABLE_MS = 10_000;

/** The pauses of one client, doubling until something has worked for a while. */
export class Backoff {
  #next = FIRST_RETRY_MS;
  #worksSince: number | undefined;

  /** Something worked at `now`. */
  handleSuccess(now: number): void {
    this.#worksSince ??= now;
  }

  /** Something failed at `now`: the pause before the next try, and no less than the server asks for, within reason. */
  handleFailure(now: number, retryAfter: number | undefined, jitter: number): number {
    if (this.#worksSince !== undefined && now - this.#worksSince >= STABLE_MS) {
      this.#next = FIRST_RETRY_MS;
    }
    this.#worksSince = undefined;
    const pause = spread(this.#next, jitter);
    this.#next = Math.min(this.#next * 2, LAST_RETRY_MS);
    // All who were refused together come back one after the other.
    return retryAfter === undefined ? pause : Math.min(retryAfter, LONGEST_REST_MS) + pause;
  }
}

/** `pause`, made half as long to half as long again by `jitter`. */
export function spread(pause: number, jitter: number): number {
  return pause * (0.5 + Math.min(Math.max(jitter, 0), 1));
}
