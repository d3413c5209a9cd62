// What a receiver does next to keep its place in line and to take its slot, decided from what it was last told.
//
// Pure: moments are milliseconds since any beginning, chance is an argument. The line around it carries out one step
// after another and tells how each went.
//
//             ┌────────(not authorised, not found, sender gone)───────────┐
//             ▼                                                           │
// Outside ──joined──▶ In line ──(active, or a slot is kept)──▶ claim ──▶ In its slot
//                     ▲  near: polls, far: listens               │          │
//                     └──────────(not your turn)─────────────────┘          │
//                     └──────────(the socket is gone: claims again)─────────┘
import type { Code, Place } from '../../protocol/bindings';
import { Backoff, RESTART_MS, RESTART_TIME_MS, spread } from './backoff';

// A claim that came too early was in a race that is over in a moment.
const TOO_EARLY_MS = 200;
// A long poll that answers so soon, and has nothing new, did not wait: its server may be stopping.
const TOO_SOON_MS = 1_000;
// Neither can a server have its clients hammer it, nor send them away for good.
const LEAST_RETRY_MS = 50;
const MOST_RETRY_MS = 30_000;

const FINAL: readonly Code[] = [
  'version_unsupported',
  'request_invalid',
  'share_ended',
  'share_taken',
  'let_go',
];
const PLACE_LOST: readonly Code[] = ['not_authorised', 'share_not_found', 'sender_gone'];

/** The next thing to do. */
export type Step =
  /** Take a place in line, or the one it had. */
  | { type: 'join' }
  /** Ask for the place: at once, or when it is another than this version. */
  | { type: 'poll'; after: string | undefined }
  /** Listen to the event stream, which need not tell this version again. */
  | { type: 'listen'; last: string | undefined }
  /** Open the socket and take the slot. */
  | { type: 'claim' }
  /** Do nothing before this moment. */
  | { type: 'pause'; until: number }
  /** Nothing helps. */
  | { type: 'over'; code: Code };

/** A receiver's way through the tiers. */
export class Course {
  // Nothing: outside.
  #place: Place | undefined;
  // The version of the place that was claimed too early.
  #refused: string | undefined;
  #polledAt: number | undefined;
  // Something failed since it was told its place. A server that is there again may have nothing new to tell, and is
  // asked all the same: else nobody heard that the trouble is over.
  #failed = false;
  #notBefore = 0;
  readonly #backoff = new Backoff();
  // Until then the server is expected not to be there.
  #quietUntil = 0;
  #over: Code | undefined;

  /** What to do now. */
  pollStep(now: number): Step {
    if (this.#over !== undefined) {
      return { type: 'over', code: this.#over };
    }
    if (now < this.#notBefore) {
      return { type: 'pause', until: this.#notBefore };
    }
    const place = this.#place;
    if (place === undefined) {
      return { type: 'join' };
    }
    const hasTurn = place.tier === 'active' || typeof place.lease_ms === 'number';
    const known = this.#failed ? undefined : place.version;
    if (hasTurn && this.#refused !== place.version) {
      return { type: 'claim' };
    }
    if (place.tier === 'far') {
      return { type: 'listen', last: known };
    }
    // An answer that was not to wait can't come too soon.
    this.#polledAt = known === undefined ? undefined : now;
    return { type: 'poll', after: known };
  }

  /** It was told its place, by the answer to joining or polling or by the event stream. */
  handlePlace(place: Place, now: number, jitter: number): void {
    this.#handleSuccess(now);
    const isOld = this.#place?.version === place.version;
    const asked = this.#polledAt;
    this.#polledAt = undefined;
    if (isOld && asked !== undefined && now - asked < TOO_SOON_MS) {
      this.#notBefore = now + spread(RESTART_MS, jitter);
    }
    // The place may be as it was; a claim is worth another try now and then.
    this.#refused = undefined;
    this.#place = place;
  }

  /** The socket is open and the slot its own. */
  handleAdmitted(now: number): void {
    this.#handleSuccess(now);
    if (this.#place !== undefined) {
      this.#place = { ...this.#place, tier: 'active', ahead: 0, lease_ms: null };
    }
  }

  /** The server ends the socket or the stream because it restarts, and perhaps says in how many ms to come back. */
  handleRestart(retry: number | undefined, now: number, jitter: number): void {
    const rest = Math.min(Math.max(retry ?? RESTART_MS, LEAST_RETRY_MS), MOST_RETRY_MS);
    this.#notBefore = now + spread(rest, jitter);
    this.#quietUntil = this.#notBefore + RESTART_TIME_MS;
  }

  /** The server has ended the share, or this receiver's part in it, on its socket. */
  handleEnded(code: Code, now: number, jitter: number): void {
    if (code === 'sender_gone') {
      // The sender may come back, and opens the share again then.
      this.#handleFailure(code, undefined, now, jitter);
    } else {
      this.#over = code;
    }
  }

  /** The step that was begun failed. Whether it is trouble that the driver must hear of. */
  handleFailed(
    step: Step,
    code: Code,
    retryAfter: number | undefined,
    now: number,
    jitter: number,
  ): boolean {
    this.#polledAt = undefined;
    if (code === 'not_your_turn') {
      this.#refused = this.#place?.version;
      this.#notBefore = now + spread(TOO_EARLY_MS, jitter);
      return false;
    }
    if (code === 'not_authorised' && step.type !== 'join') {
      // The ticket is too old, or its place is lost.
      this.#handleFailure(code, undefined, now, jitter);
      return false;
    }
    // A proof that is refused itself: the link is not good here.
    if (code === 'not_authorised' || FINAL.includes(code)) {
      this.#over = code;
    } else {
      this.#handleFailure(code, retryAfter, now, jitter);
    }
    return this.#over === undefined && now >= this.#quietUntil;
  }

  /** The network is there again: what waits only because it was away need not wait any more. */
  handleOnline(now: number): void {
    this.#notBefore = Math.min(this.#notBefore, now);
  }

  #handleSuccess(now: number): void {
    this.#backoff.handleSuccess(now);
    this.#quietUntil = 0;
    this.#failed = false;
  }

  #handleFailure(code: Code, retryAfter: number | undefined, now: number, jitter: number): void {
    this.#notBefore = now + this.#backoff.handleFailure(now, retryAfter, jitter);
    this.#failed = true;
    if (PLACE_LOST.includes(code)) {
      this.#place = undefined;
      this.#refused = undefined;
    }
  }
}
