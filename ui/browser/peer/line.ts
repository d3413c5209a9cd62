// A receiver's place in line: carries out the steps of its course, keeps it through losses, and tells how they went.
import {
  type ClientMessage,
  type JoinShare,
  type Place,
  type Progress,
  type ServerMessage,
  type Signal,
  type Summary,
  VERSION,
} from '../../protocol/bindings';
import { ProtocolError } from '../../protocol/error';
import type { PeerId } from '../../protocol/id';
import type { Link } from '../../protocol/link';
import { parseError, parsePlace } from '../../protocol/signal';
import { SummaryKey } from '../../protocol/summary';
import { Course, type Step } from './course';
import { Api, Refusal, parseAnswer } from './http';
import { IceSource } from './ice';
import { type Closed, Socket } from './socket';
import { EventReader } from './stream';

// A share that is still being walked is looked at again, but not with every place.
const SUMMARY_INTERVAL_MS = 5_000;
const FAREWELL_MS = 1_000;
// The server says something on a stream every 15 s; three of them missed is a dead path.
const SILENCE_MS = 45_000;

/** Who hears of what happens in line. */
export interface LineListener {
  /** Its place, when it is another than the one told before or trouble was told since. */
  place(place: Place): void;
  /** What the share holds, as far as its sender knows. */
  summary(summary: Summary): void;
  /** The slot is its own, or is so again on a new socket. */
  admitted(): void;
  /** Whether the sender is at the server; told again when it has another socket. */
  sender(isHere: boolean): void;
  /** From the sender, of some attempt. */
  signal(signal: Signal): void;
  /** Something does not work; it is tried again in so many milliseconds. No slot is its own meanwhile. */
  trouble(error: ProtocolError, pause: number): void;
  /** The socket is gone because the server restarts. No trouble yet. */
  restarts(): void;
  /** Nothing more comes. */
  over(error: ProtocolError): void;
}

/** Who waits, and for what. */
export interface LineOptions {
  link: Link;
  peer: PeerId;
  /** The ticket of an earlier page, which brings its place back to a server that has lost the queue. */
  ticket: string | undefined;
}

/** An open line; it joins at once. */
export class Line {
  /** Where connections of this share learn which servers help them. */
  readonly ice: IceSource;
  readonly #api: Api;
  readonly #join: JoinShare;
  readonly #key: SummaryKey;
  readonly #listener: LineListener;
  readonly #course = new Course();
  readonly #leaving = new AbortController();
  readonly #done: Promise<void>;
  #socket: Socket | undefined;
  #isAdmitted = false;
  #endClaim: (end: Closed | 'over') => void = () => undefined;
  #wake: () => void = () => undefined;
  #progress: Progress | undefined;
  #toldPlace: string | undefined;
  #summary: Summary | undefined;
  #summaryAt = 0;

  constructor({ link, peer, ticket }: LineOptions, listener: LineListener) {
    this.#api = new Api(link.server, link.share);
    this.#join = { version: VERSION, join_key: link.joinKey(), peer, ticket: ticket ?? null };
    this.#key = new SummaryKey(link.secret, link.share);
    this.#listener = listener;
    this.ice = new IceSource(this.#api, () => this.ticket);
    this.#done = this.#run();
  }

  /** What names this receiver to the server. */
  get ticket(): string | undefined {
    return this.#join.ticket ?? undefined;
  }

  /** Says something to the sender; lost while the slot is not its own. */
  say(signal: Signal): void {
    this.#send({ type: 'relay', signal });
  }

  /** Tells how far it is; the server hears the newest when it has a socket. */
  tellProgress(progress: Progress): void {
    if (this.#progress !== progress) {
      this.#progress = progress;
      this.#send({ type: 'progress', progress });
    }
  }

  /** Takes another socket, because nothing is heard on this one. */
  renew(): void {
    if (this.#socket !== undefined) {
      this.#endClaim('over');
    }
  }

  /** The browser's network is back: waits for nothing, and trusts no socket of before. */
  handleOnline(): void {
    this.#course.handleOnline(performance.now());
    this.renew();
    this.#wake();
  }

  /** Gives up the slot or place, within a second. Nothing is told any more. */
  async leave(): Promise<void> {
    this.#leaving.abort();
    this.#wake();
    if (this.#isAdmitted) {
      // The server closes the socket behind this.
      this.#send({ type: 'leave' });
    } else {
      this.#endClaim('over');
      if (this.ticket !== undefined) {
        await Promise.race([this.#giveUpPlace(this.ticket), delay(FAREWELL_MS)]);
      }
    }
    await Promise.race([this.#done, delay(FAREWELL_MS)]);
    this.#endClaim('over');
  }

  async #giveUpPlace(ticket: string): Promise<void> {
    try {
      await this.#api.leave(ticket, this.#join.peer);
    } catch {
      // The server lets it go by itself, a little later.
    }
  }

  get #hasLeft(): boolean {
    return this.#leaving.signal.aborted;
  }

  async #run(): Promise<void> {
    while (!this.#hasLeft) {
      const step = this.#course.pollStep(performance.now());
      if (step.type === 'over') {
        this.#listener.over(new ProtocolError(step.code));
        return;
      }
      try {
        await this.#take(step);
      } catch (error) {
        this.#handleFailure(step, error);
      }
    }
  }

  #handleFailure(step: Step, thrown: unknown): void {
    if (this.#hasLeft) {
      return;
    }
    const error =
      thrown instanceof ProtocolError ? thrown : new ProtocolError('server_failed', String(thrown));
    const retryAfter = error instanceof Refusal ? error.retryAfter : undefined;
    const now = performance.now();
    if (this.#course.handleFailed(step, error.code, retryAfter, now, Math.random())) {
      this.#tellTrouble(error);
    }
  }

  #tellTrouble(error: ProtocolError): void {
    // Whatever comes next is news again.
    this.#toldPlace = undefined;
    const now = performance.now();
    const next = this.#course.pollStep(now);
    this.#listener.trouble(error, next.type === 'pause' ? next.until - now : 0);
  }

  #take(step: Step): Promise<void> {
    switch (step.type) {
      case 'join':
        return this.#joinLine();
      case 'poll':
        return this.#poll(step.after);
      case 'listen':
        return this.#listen(step.last);
      case 'claim':
        return this.#claim();
      case 'pause':
        return this.#pause(step.until);
      case 'over':
        return Promise.resolve();
    }
  }

  async #joinLine(): Promise<void> {
    const joined = await this.#api.join(this.#join, this.#leaving.signal);
    // Shown the next time, so that a server that lost the line knows when this one came.
    this.#join.ticket = joined.ticket;
    if (typeof joined.summary === 'string') {
      this.#tellSummary(joined.summary);
    }
    this.#handlePlace(joined.place);
  }

  async #poll(after: string | undefined): Promise<void> {
    const place = await this.#api.place(this.ticket ?? '', after, this.#leaving.signal);
    this.#handlePlace(place);
    if (typeof place.lease_ms !== 'number') {
      await this.#lookAgain();
    }
  }

  async #listen(last: string | undefined): Promise<void> {
    const controller = new AbortController();
    const abort = (): void => {
      controller.abort();
    };
    this.#leaving.signal.addEventListener('abort', abort);
    try {
      const stream = await this.#api.events(this.ticket ?? '', last, controller.signal);
      await this.#follow(stream, abort);
    } finally {
      this.#leaving.signal.removeEventListener('abort', abort);
      // The stream is closed before anything else is said, or its end could come behind that.
      abort();
    }
  }

  async #follow(
    stream: ReadableStreamDefaultReader<Uint8Array>,
    giveUp: () => void,
  ): Promise<void> {
    const reader = new EventReader();
    let retry: number | undefined;
    for (;;) {
      const bytes = await nextBytes(stream, giveUp);
      if (bytes === undefined && retry !== undefined) {
        // A server that restarts says when to come back before it goes.
        this.#course.handleRestart(retry, performance.now(), Math.random());
        return;
      }
      if (bytes === undefined) {
        throw new ProtocolError('server_unreachable');
      }
      for (const item of reader.handleBytes(bytes)) {
        if (item.type === 'retry') {
          retry = item.ms;
        } else if (item.type === 'event' && item.name === 'ended') {
          throw new ProtocolError(parseAnswer(parseError, item.data).code);
        } else if (item.type === 'event' && item.name === 'place') {
          this.#handlePlace(parseAnswer(parsePlace, item.data));
          // Another tier has another way to hear news.
          if (this.#course.pollStep(performance.now()).type !== 'listen') {
            return;
          }
        }
      }
      await this.#lookAgain();
    }
  }

  // Takes the slot and serves its socket until it is gone.
  async #claim(): Promise<void> {
    const end = await new Promise<Closed | 'over'>((resolve) => {
      this.#endClaim = resolve;
      this.#socket = new Socket(this.#api, this.ticket ?? '', {
        message: (message) => {
          this.#hear(message);
        },
        closed: resolve,
      });
    });
    this.#socket?.close();
    this.#socket = undefined;
    this.#isAdmitted = false;
    if (this.#hasLeft) {
      return;
    }
    if (end === 'restart') {
      this.#course.handleRestart(undefined, performance.now(), Math.random());
      this.#listener.restarts();
    } else if (end !== 'over') {
      throw end;
    }
  }

  #hear(message: ServerMessage): void {
    if (this.#hasLeft) {
      return;
    }
    switch (message.type) {
      case 'admitted':
        this.#isAdmitted = true;
        this.#course.handleAdmitted(performance.now());
        if (this.#progress !== undefined) {
          this.#send({ type: 'progress', progress: this.#progress });
        }
        this.#listener.admitted();
        break;
      case 'relay':
        this.#listener.signal(message.signal);
        break;
      case 'sender_away':
        this.#listener.sender(false);
        break;
      case 'sender_back':
        this.#listener.sender(true);
        break;
      case 'ended':
        this.#course.handleEnded(message.code, performance.now(), Math.random());
        if (message.code === 'sender_gone') {
          this.#tellTrouble(new ProtocolError(message.code));
        }
        this.#endClaim('over');
        break;
      default:
        break;
    }
  }

  #send(message: ClientMessage): void {
    if (this.#isAdmitted) {
      this.#socket?.send(message);
    }
  }

  #pause(until: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(until - performance.now(), 0));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #handlePlace(place: Place): void {
    this.#course.handlePlace(place, performance.now(), Math.random());
    if (!this.#hasLeft && this.#toldPlace !== place.version) {
      this.#toldPlace = place.version;
      this.#listener.place(place);
    }
  }

  #tellSummary(sealed: string): void {
    this.#summaryAt = performance.now();
    const summary = this.#key.open(sealed);
    const isNew =
      summary !== undefined &&
      (this.#summary?.name !== summary.name ||
        this.#summary.entries !== summary.entries ||
        this.#summary.bytes !== summary.bytes ||
        this.#summary.complete !== summary.complete);
    if (isNew && !this.#hasLeft) {
      this.#summary = summary;
      this.#listener.summary(summary);
    }
  }

  // Until the sender has walked all of it, there is more to be seen each time.
  async #lookAgain(): Promise<void> {
    const now = performance.now();
    if (this.#summary?.complete === true || now - this.#summaryAt < SUMMARY_INTERVAL_MS) {
      return;
    }
    this.#summaryAt = now;
    try {
      const sealed = await this.#api.summary(this.ticket ?? '', this.#leaving.signal);
      if (sealed !== undefined) {
        this.#tellSummary(sealed);
      }
    } catch {
      // The place is what matters; if it is lost, that is told there.
    }
  }
}

// The next bytes of a stream; nothing behind its end. One that is silent for too long is given up.
async function nextBytes(
  stream: ReadableStreamDefaultReader<Uint8Array>,
  giveUp: () => void,
): Promise<Uint8Array | undefined> {
  const timer = setTimeout(giveUp, SILENCE_MS);
  try {
    return (await stream.read()).value;
  } catch {
    // Cut off, by this side or by the other.
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
