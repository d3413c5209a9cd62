// The receiving session: takes a share from one sender over one data channel.
//
// A state machine without I/O. The driver feeds it messages and what became of them on disk, and drains frames and
// events. Chunks come out sealed, so that they can be opened where they are written, and several at once; one that is
// not exactly the next one asked for ends the session before anything of it is kept.
//
// Greeting ──answer──▶ Open ──all durable──▶ Finishing ──heard──▶ Done
//     │                  │                       │
//     └──────error───────┴───────────────────────┴─────────────▶ Closed
import { CREDIT_WINDOW, type Code, type Want } from '../bindings';
import type { Bytes } from '../bytes';
import { encodeReceiverMessage } from '../control';
import { ProtocolError } from '../error';
import { Kind, parse } from '../frame';
import { type Context, Initiator } from '../handshake';
import type { CryptoProvider } from '../provider';
import { Outbox } from '../session';
import type { ReceiveEvent } from './event';
import { Open } from './open';

export type { SealedChunk } from './chunk';
export type { ReceiveEvent } from './event';

const PROGRESS_EVERY = CREDIT_WINDOW / 8;
const PROGRESS_INTERVAL_MS = 500;

/** What a receiving session is made from. */
export interface ReceiveConfig {
  /** Share, pre-shared key and fingerprint binding. */
  context: Context;
  /** The sender hash in the link. */
  sender: Uint8Array;
  /** What the sender may show of this receiver. */
  name: string;
  /** 32 fresh random bytes. */
  seed: Uint8Array;
  /** Whether the share is listed before anything of it is asked for, see {@link ReceiveSession.handleChoice}. */
  listFirst: boolean;
  /** What opens the chunks. */
  provider: CryptoProvider;
}

type State =
  | { at: 'greeting'; initiator: Initiator }
  | { at: 'open' | 'finishing'; open: Open }
  | { at: 'done' | 'closed' };

/** The receiver's end of one session. Times are milliseconds since any fixed moment. */
export class ReceiveSession {
  #state: State;
  readonly #outbox: Outbox;
  readonly #events: ReceiveEvent[] = [];
  #listing: boolean;
  readonly #provider: CryptoProvider;

  /** A session on a channel that has just opened; its hello is queued. */
  constructor(config: ReceiveConfig, now: number) {
    const { context, sender, name, seed } = config;
    const initiator = new Initiator(context, sender, name, seed);
    this.#outbox = new Outbox(now);
    this.#outbox.pushHandshake(initiator.hello);
    this.#state = { at: 'greeting', initiator };
    this.#listing = config.listFirst;
    this.#provider = config.provider;
  }

  /**
   * Takes one message from the channel.
   *
   * Throws a {@link ProtocolError} when that ends the session; a goodbye may be queued then.
   */
  handleMessage(message: Uint8Array, now: number): void {
    try {
      this.#tryHandle(message, now);
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
    if (state.at === 'done' || state.at === 'closed') {
      return;
    }
    if (state.at === 'greeting' && kind === Kind.Handshake) {
      this.#handleAnswer(state.initiator, body, now);
    } else if (state.at === 'open' && kind === Kind.Control) {
      const message = state.open.openControl(body);
      state.open.handleControl(message, this.#events, this.#outbox);
    } else if (state.at === 'open' && kind === Kind.Data) {
      state.open.handleData(body, this.#events, this.#outbox);
    } else if (state.at === 'finishing' && kind === Kind.Control) {
      this.#handleLastWord(state.open, body);
    } else {
      throw new ProtocolError('frame_invalid', 'a frame at the wrong time');
    }
  }

  #handleAnswer(initiator: Initiator, body: Uint8Array, now: number): void {
    // There is no second try.
    this.#state = { at: 'closed' };
    const { channel, name, session } = initiator.finish(body);
    this.#events.push({ type: 'opened', name });
    const open = new Open(channel, session, this.#provider, this.#listing, now);
    open.grantPages(this.#outbox);
    open.report(this.#outbox, now);
    this.#state = { at: 'open', open };
  }

  #handleLastWord(open: Open, body: Uint8Array): void {
    const message = open.openControl(body);
    if (message.type === 'done_heard') {
      this.#events.push({ type: 'done' });
      this.#state = { at: 'done' };
    } else if (message.type === 'bye') {
      throw new ProtocolError(message.code, 'the sender said goodbye');
    }
  }

  /** Ends the listing: from now on pages are to be planned, from the first one on. */
  handleChoice(): void {
    this.#listing = false;
    if (this.#state.at === 'open' && this.#state.open.endListing()) {
      this.#state.open.giveOut(this.#events);
      this.#state.open.finishCheck(this.#events);
    }
  }

  /** The pages that were listed and not planned yet, in their order, as `decodePage` reads them. */
  listed(): Uint8Array[] {
    return this.#state.at === 'open' ? this.#state.open.kept.map((page) => page.encoded) : [];
  }

  /** Says what is wanted of the oldest page that was given out: entries of that page, ascending. */
  handlePlan(wants: readonly Want[]): void {
    if (this.#state.at === 'open') {
      this.#state.open.plan(wants, this.#outbox);
      this.#state.open.giveOut(this.#events);
      this.#state.open.finishCheck(this.#events);
    }
  }

  /** Says how much is chosen, in bytes of content and entries, as far as that is known; the sender shows it. */
  handleChosen(bytes: number, entries: number): void {
    if (this.#state.at === 'open') {
      this.#state.open.chosen = { bytes, entries };
    }
  }

  /** Counts content that has left memory for the disk, in bytes, and what is durable by now. */
  handleProgress(written: number, durableBytes: number, durableEntries: number, now: number): void {
    if (this.#state.at !== 'open') {
      return;
    }
    const { open } = this.#state;
    open.written += written;
    open.durable = { bytes: durableBytes, entries: durableEntries };
    if (open.written + CREDIT_WINDOW >= open.granted + PROGRESS_EVERY) {
      open.report(this.#outbox, now);
    }
  }

  /** Says that everything chosen is durable and in place: the sender is told, and answers. */
  handleAllDurable(bytes: number, entries: number): void {
    if (this.#state.at === 'open') {
      const { open } = this.#state;
      const message = encodeReceiverMessage({ type: 'done', bytes, entries });
      this.#outbox.pushControl(open.channel, message);
      this.#state = { at: 'finishing', open };
    }
  }

  /** Ends the session from this side; the goodbye is queued. */
  close(code: Code): void {
    if (this.#state.at === 'open' || this.#state.at === 'finishing') {
      this.#outbox.dropContent();
      const message = encodeReceiverMessage({ type: 'bye', code });
      this.#outbox.pushControl(this.#state.open.channel, message);
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
    return this.#outbox.nextLength();
  }

  /** The next frame to send. */
  pollMessage(now: number): Bytes | undefined {
    return this.#outbox.pop(now);
  }

  /** The next event. */
  pollEvent(): ReceiveEvent | undefined {
    return this.#events.shift();
  }

  /** When {@link handleTimeout} wants to be called. */
  pollTimeout(): number | undefined {
    const state = this.#state;
    if (state.at === 'done' || state.at === 'closed') {
      return undefined;
    }
    const next = this.#outbox.nextTimeout();
    return state.at === 'open' && state.open.hasNews()
      ? Math.min(next, state.open.reportedAt + PROGRESS_INTERVAL_MS)
      : next;
  }

  /** Does what time demands: news of progress, a sign of life, or the end of a session that has `stalled`. */
  handleTimeout(now: number): void {
    if (this.pollTimeout() === undefined) {
      return;
    }
    if (this.#outbox.isStalled(now)) {
      this.close('stalled');
      throw new ProtocolError('stalled');
    }
    const mustSpeak = this.#outbox.mustSaySomething(now);
    const state = this.#state;
    if (state.at !== 'open' && state.at !== 'finishing') {
      return;
    }
    const isDue = state.open.hasNews() && now >= state.open.reportedAt + PROGRESS_INTERVAL_MS;
    if (state.at === 'open' && isDue) {
      state.open.report(this.#outbox, now);
    } else if (mustSpeak) {
      this.#outbox.pushControl(state.open.channel, encodeReceiverMessage({ type: 'alive' }));
    }
  }
}
