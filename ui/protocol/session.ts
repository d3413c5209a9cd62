// What both session machines share: the queue of frames to send, and the keep-alive clock.
import { ALIVE_AFTER_MS, STALLED_AFTER_MS } from './bindings';
import type { Bytes } from './bytes';
import { Kind, build } from './frame';
import type { ControlChannel } from './handshake';

/** Frames waiting to be sent, and when something was last said and heard. Times are in milliseconds. */
export class Outbox {
  #frames: Bytes[] = [];
  #queued = 0;
  #lastSaid: number;
  #lastHeard: number;

  constructor(now: number) {
    this.#lastSaid = now;
    this.#lastHeard = now;
  }

  push(frame: Bytes): void {
    this.#queued += frame.length;
    this.#frames.push(frame);
  }

  pushHandshake(message: Uint8Array): void {
    this.push(build(Kind.Handshake, message));
  }

  pushControl(channel: ControlChannel, plaintext: Uint8Array): void {
    this.push(build(Kind.Control, channel.seal(plaintext)));
  }

  nextLength(): number | undefined {
    return this.#frames[0]?.length;
  }

  pop(now: number): Bytes | undefined {
    const frame = this.#frames.shift();
    if (frame !== undefined) {
      this.#queued -= frame.length;
      this.#lastSaid = now;
    }
    return frame;
  }

  // Content that was queued before a failure is of no use to anyone. Control messages stay: they are sealed in their
  // order, and one left out would make forgeries of all that follow.
  dropContent(): void {
    this.#frames = this.#frames.filter((frame) => frame[0] !== Kind.Data);
    this.#queued = this.#frames.reduce((length, frame) => length + frame.length, 0);
  }

  /** Bytes that wait. */
  get queued(): number {
    return this.#queued;
  }

  heard(now: number): void {
    this.#lastHeard = now;
  }

  nextTimeout(): number {
    return Math.min(this.#lastSaid + ALIVE_AFTER_MS, this.#lastHeard + STALLED_AFTER_MS);
  }

  isStalled(now: number): boolean {
    return now >= this.#lastHeard + STALLED_AFTER_MS;
  }

  // True at most once a period; the caller then queues its word. Frames that wait for the channel are word enough.
  mustSaySomething(now: number): boolean {
    if (now < this.#lastSaid + ALIVE_AFTER_MS) {
      return false;
    }
    // The period starts anew in either case, or the driver would be woken for it again at once.
    this.#lastSaid = now;
    return this.#frames.length === 0;
  }
}
