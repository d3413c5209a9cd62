// The sending session: serves one receiver over one data channel.
//
// A state machine without I/O. The driver feeds it messages, manifest pages and sealed batches, and drains frames,
// events and orders for what is to be read.
//
// AwaitHello ──hello──▶ Open ──Done──▶ Done
//      │                  │
//      └─────error────────┴──────────▶ Closed
import {
  BATCH_LEN,
  type Code,
  DATA_FRAME_LEN,
  type EntryFailure,
  MIN_MESSAGE_LEN,
  type ReceiverMessage,
  type SenderMessage,
  type Totals,
} from '../bindings';
import type { Bytes } from '../bytes';
import { decodeReceiverMessage, encodeSenderMessage } from '../control';
import { ProtocolError } from '../error';
import { Kind, parse } from '../frame';
import { type Context, type SenderKeys, respond } from '../handshake';
import type { CryptoProvider } from '../provider';
import { Outbox } from '../session';
import type { ReadBatch, SealedBatch } from './batch';
import { Open } from './open';

export type { ReadBatch, SealedBatch } from './batch';

// Frames beyond this wait for the channel before more is read.
const MAX_QUEUED = 2 * BATCH_LEN;

/** What a sending session is made from. */
export interface SendConfig {
  /** Share, pre-shared key and fingerprint binding. */
  context: Context;
  /** The key behind the link. */
  keys: SenderKeys;
  /** The share's display name. */
  name: string;
  /** The largest message that the channel takes, in bytes. */
  maxMessage: number;
  /** 64 fresh random bytes. */
  seed: Uint8Array;
  /** What seals the chunks. */
  provider: CryptoProvider;
}

/** What a sending session tells its driver. */
export type SendEvent =
  /** The receiver has proved that it holds the link; what it calls itself. */
  | { type: 'opened'; name: string }
  /** How far the receiver is, by its own account. */
  | { type: 'progress'; durable_bytes: number; durable_entries: number }
  /** What the receiver has chosen, as far as it knows. */
  | { type: 'chosen'; bytes: number; entries: number }
  /** An entry could not be sent; the rest goes on. */
  | { type: 'entry_failed'; entry: number; failure: EntryFailure }
  /** The receiver has everything it chose, durably. */
  | { type: 'done'; bytes: number; entries: number };

type State =
  | { at: 'await_hello'; config: SendConfig }
  | { at: 'open'; open: Open }
  | { at: 'done' | 'closed' };

/** The sender's end of one session. Times are milliseconds since any fixed moment. */
export class SendSession {
  #state: State;
  readonly #outbox: Outbox;
  readonly #events: SendEvent[] = [];
  #paused = false;

  /** A session on a channel that has just opened. */
  constructor(config: SendConfig, now: number) {
    const maxMessage = Math.min(Math.max(config.maxMessage, MIN_MESSAGE_LEN), DATA_FRAME_LEN);
    this.#state = { at: 'await_hello', config: { ...config, maxMessage } };
    this.#outbox = new Outbox(now);
  }

  /**
   * Takes one message from the channel.
   *
   * Throws a {@link ProtocolError} when that ends the session; frames that are still queued say so to the receiver.
   */
  handleMessage(message: Uint8Array, now: number): void {
    this.#orClose(() => {
      this.#tryHandle(message, now);
    });
  }

  #orClose<T>(act: () => T): T {
    try {
      return act();
    } catch (error) {
      if (error instanceof ProtocolError) {
        this.close(error.code);
      }
      throw error;
    }
  }

  #tryHandle(message: Uint8Array, now: number): void {
    this.#outbox.heard(now);
    const { kind, body } = parse(message);
    const state = this.#state;
    if (state.at === 'await_hello' && kind === Kind.Handshake) {
      this.#handleHello(state.config, body);
    } else if (state.at === 'open' && kind === Kind.Control) {
      this.#handleControl(state.open, decodeReceiverMessage(state.open.channel.open(body)));
    } else if (state.at === 'await_hello' || state.at === 'open') {
      throw new ProtocolError('frame_invalid', 'a frame at the wrong time');
    }
    // What was on its way when the session ended is of no interest.
  }

  #handleHello(config: SendConfig, hello: Uint8Array): void {
    const { context, keys, name, seed, provider, maxMessage } = config;
    const { answer, result } = respond(context, keys, name, hello, seed);
    this.#outbox.pushHandshake(answer);
    if (result instanceof ProtocolError) {
      throw result;
    }
    this.#events.push({ type: 'opened', name: result.name });
    const open = new Open(result.channel, result.session, provider, maxMessage);
    this.#state = { at: 'open', open };
  }

  #handleControl(open: Open, message: ReceiverMessage): void {
    switch (message.type) {
      case 'pages':
        open.pagesAllowed = Math.max(open.pagesAllowed, message.up_to);
        break;
      case 'want':
        open.handleWant(message);
        break;
      case 'progress': {
        const { durable_bytes, durable_entries } = message;
        open.credit = Math.max(open.credit, message.credit);
        this.#events.push({ type: 'progress', durable_bytes, durable_entries });
        break;
      }
      case 'chosen':
        this.#events.push(message);
        break;
      case 'done':
        this.#say(open, { type: 'done_heard' });
        this.#events.push(message);
        this.#state = { at: 'done' };
        break;
      case 'alive':
        break;
      case 'bye':
        this.#state = { at: 'closed' };
        throw new ProtocolError(message.code, 'the receiver said goodbye');
    }
  }

  #say(open: Open, message: SenderMessage): void {
    this.#outbox.pushControl(open.channel, encodeSenderMessage(message));
  }

  /** Takes what is known of the share by now; call it when that changes. */
  handleTotals(totals: Totals): void {
    if (this.#state.at === 'open' && !isSame(this.#state.open.totals, totals)) {
      this.#state.open.totals = { ...totals };
      this.#state.open.totalsDue = true;
    }
  }

  /**
   * Holds content back from now on, or lets it flow again; the receiver is told. What is sealed already still goes, and
   * so does the manifest.
   */
  handlePaused(paused: boolean): void {
    this.#paused = paused;
  }

  /** The manifest page that is due next, if the receiver has room for one. */
  pollPage(): number | undefined {
    if (this.#state.at !== 'open' || this.#outbox.queued >= MAX_QUEUED) {
      return undefined;
    }
    const { nextPage, pagesAllowed, totals } = this.#state.open;
    return nextPage < Math.min(pagesAllowed, totals.pages) ? nextPage : undefined;
  }

  /** Takes the page that {@link pollPage} asked for, and the number of its first entry. */
  handlePage(firstEntry: number, encoded: Uint8Array): void {
    if (this.#state.at === 'open') {
      const { open } = this.#state;
      this.#say(open, { type: 'page', index: open.nextPage, first_entry: firstEntry, encoded });
      open.nextPage += 1;
    }
  }

  /**
   * What is to be read next: at most one batch at a time, none while the session is paused, the channel is behind or
   * the receiver's credit is used up. `sizeOf` gives a file's size, 0 for all else, nothing past the last entry.
   *
   * Throws a {@link ProtocolError} if the receiver asked for what does not exist; the session is over.
   */
  pollRead(sizeOf: (entry: number) => number | undefined): ReadBatch | undefined {
    const state = this.#state;
    if (state.at !== 'open' || this.#paused || state.open.reading) {
      return undefined;
    }
    if (this.#outbox.queued >= MAX_QUEUED) {
      return undefined;
    }
    const batch = this.#orClose(() => state.open.nextBatch(sizeOf));
    state.open.reading = batch !== undefined;
    return batch;
  }

  /** Takes the batch that {@link pollRead} gave out, sealed. */
  handleSealed(batch: SealedBatch): void {
    if (this.#state.at !== 'open') {
      return;
    }
    const { open } = this.#state;
    open.reading = false;
    open.sent += batch.plaintext;
    for (const part of batch.parts) {
      if ('frame' in part) {
        this.#outbox.push(part.frame);
      } else {
        const { entry, failure } = part;
        open.skipEntry(batch.request, entry);
        this.#say(open, { type: 'entry_failed', request: batch.request, entry, failure });
        this.#events.push({ type: 'entry_failed', entry, failure });
      }
    }
  }

  /** Ends the session from this side; the goodbye is queued. */
  close(code: Code): void {
    if (this.#state.at === 'open') {
      this.#outbox.dropContent();
      this.#say(this.#state.open, { type: 'bye', code });
    }
    if (this.#state.at !== 'done') {
      this.#state = { at: 'closed' };
    }
  }

  /**
   * The length in bytes of the next frame to send, which stays queued until {@link pollMessage}: a driver waits for
   * room with this, because control frames are sealed in order, and one that is taken out and then not sent makes
   * forgeries of all that follow.
   */
  nextMessageLen(): number | undefined {
    this.#sayNews();
    return this.#outbox.nextLength();
  }

  /** The next frame to send. */
  pollMessage(now: number): Bytes | undefined {
    this.#sayNews();
    return this.#outbox.pop(now);
  }

  // As late as this, so that what changed often is said once.
  #sayNews(): void {
    if (this.#state.at !== 'open') {
      return;
    }
    const { open } = this.#state;
    if (open.totalsDue) {
      open.totalsDue = false;
      this.#say(open, { type: 'totals', ...open.totals });
    }
    if (open.pausedTold !== this.#paused) {
      open.pausedTold = this.#paused;
      this.#say(open, { type: 'paused', paused: this.#paused });
    }
  }

  /** The next event. */
  pollEvent(): SendEvent | undefined {
    return this.#events.shift();
  }

  /** When {@link handleTimeout} wants to be called. */
  pollTimeout(): number | undefined {
    const isOver = this.#state.at === 'done' || this.#state.at === 'closed';
    return isOver ? undefined : this.#outbox.nextTimeout();
  }

  /** Does what time demands: a sign of life, or the end of a session that has `stalled`. */
  handleTimeout(now: number): void {
    if (this.pollTimeout() === undefined) {
      return;
    }
    if (this.#outbox.isStalled(now)) {
      this.close('stalled');
      throw new ProtocolError('stalled');
    }
    if (this.#outbox.mustSaySomething(now) && this.#state.at === 'open') {
      this.#say(this.#state.open, { type: 'alive' });
    }
  }

  /** Whether the receiver has everything and was told that it was heard. */
  isDone(): boolean {
    return this.#state.at === 'done';
  }
}

function isSame(a: Totals, b: Totals): boolean {
  return (
    a.pages === b.pages &&
    a.entries === b.entries &&
    a.bytes === b.bytes &&
    a.unreadable === b.unreadable &&
    a.complete === b.complete
  );
}
