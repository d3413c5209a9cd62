// One stay in a share's line and slot: connects, connects again after each loss, until what is chosen is received or
// there is nothing more to be done.
//
// What happens is noted in fields, and whoever waits looks at them again with each change.
import type { Signal } from '../../protocol/bindings';
import type { Key } from '../../protocol/crypto';
import { ProtocolError } from '../../protocol/error';
import type { PeerId } from '../../protocol/id';
import type { Link } from '../../protocol/link';
import { type Channel, Connection } from '../peer/connection';
import { Line } from '../peer/line';
import { Pace } from '../peer/pace';
import type { SavingReport } from '../save/destination';
import type { DownloadEvent } from './event';
import { type Stop, type Target, Transfer, type TransferEvent } from './transfer';

/** How long a slot is kept while the person chooses. */
export const HOLD_MS = 120_000;
// A share that the server has never heard of may be about to be opened again, but not for long.
const UNKNOWN_SHARE_MS = 5_000;
// How long a sender or a server may be away before anything is chosen, and then: a night and a day.
const PATIENCE_MS = 120_000;
const LONG_PATIENCE_MS = 86_400_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 10_000;

// Tampering, a wrong link and another version stay what they are; losses pass.
const LOSSES = ['peer_left', 'stalled', 'no_connection', 'interrupted', 'disk_failed'];

/** Who stays. */
export interface StayOptions {
  link: Link;
  psk: Key;
  /** What the sender may show of this receiver. */
  name: string;
  peer: PeerId;
  ticket: string | undefined;
  /** The number of the last connection that this peer has tried to make. */
  attempt: number;
  /** Where it goes, if that is chosen already. */
  target: Target | undefined;
}

/** How it ended. */
export type StayEnd =
  | { type: 'received'; report: SavingReport }
  /** The slot was kept for as long as it may be, and nothing was chosen. */
  | { type: 'released' }
  /** Trying again does not help, or patience is over. */
  | { type: 'failed'; error: ProtocolError; isDestinations: boolean }
  /** The person has left, or holds it back. */
  | { type: 'left' };

// Unwinds to the end of the stay.
class Ended extends Error {
  constructor(readonly end: StayEnd) {
    super(end.type);
  }
}

/** A stay; it begins at once. */
export class Stay {
  /** How it ended, once nothing of it goes on any more. */
  readonly ended: Promise<StayEnd>;
  readonly #options: StayOptions;
  readonly #tell: (event: DownloadEvent) => void;
  readonly #line: Line;
  readonly #pace = new Pace();
  #target: Target | undefined;
  #attempt: number;
  #connection: Connection | undefined;
  #transfer: Transfer | undefined;
  // What is known of the line.
  #isAdmitted = false;
  #isAway = false;
  #isKnown = false;
  // Counts what makes a connection that is being made worthless: another socket, of this side or of the sender's.
  #upheavals = 0;
  #signals = 0;
  // Since when nothing works, and what was last heard of it.
  #trouble: { since: number; error: ProtocolError } | undefined;
  // All was told and nothing is chosen: until then the slot is kept.
  #heldUntil: number | undefined;
  #isHurried = false;
  #end: StayEnd | undefined;
  #wake: () => void = () => undefined;

  constructor(options: StayOptions, tell: (event: DownloadEvent) => void) {
    this.#options = options;
    this.#target = options.target;
    this.#attempt = options.attempt;
    this.#tell = (event) => {
      if (this.#end === undefined) {
        tell(event);
      }
    };
    const { link, peer, ticket } = options;
    this.#line = new Line(
      { link, peer, ticket },
      {
        place: (place) => {
          this.#handleSender(place.sender_here);
          const isWaiting = place.tier !== 'active';
          const wait = isWaiting
            ? this.#pace.handleAhead(place.ahead, performance.now())
            : undefined;
          this.#notePlace();
          if (this.#transfer === undefined) {
            // One that lost its place at a server that restarted does not wait for one.
            this.#tell({ type: 'place', place, wait });
          }
        },
        summary: (summary) => {
          this.#tell({ type: 'summary', summary });
        },
        admitted: () => {
          this.#isAdmitted = true;
          this.#upheavals += 1;
          this.#pace.forget();
          // If the sender is away, that is told behind this.
          this.#handleSender(true);
          this.#notePlace();
        },
        sender: (isHere) => {
          this.#upheavals += isHere ? 1 : 0;
          this.#handleSender(isHere);
          this.#notePlace();
        },
        signal: (signal) => {
          this.#handleSignal(signal);
        },
        trouble: (error, pause) => {
          this.#isAdmitted = false;
          this.#noteTrouble(error);
          if (this.#transfer === undefined) {
            this.#tell({ type: 'retrying', error, pause });
          }
        },
        restarts: () => {
          this.#isAdmitted = false;
          this.#changed();
        },
        over: (error) => {
          this.#finish({ type: 'failed', error, isDestinations: false });
        },
      },
    );
    this.ended = this.#run();
  }

  /** What a page that takes over from this one has to know. */
  get place(): { ticket: string | undefined; attempt: number } {
    return { ticket: this.#line.ticket, attempt: this.#attempt };
  }

  /** The person has chosen. */
  choose(target: Target): void {
    this.#target = target;
    this.#heldUntil = undefined;
    this.#transfer?.choose(target);
    this.#changed();
  }

  /** Gives everything up. */
  leave(): void {
    this.#finish({ type: 'left' });
  }

  /** The browser's network is back: nothing is waited for. */
  handleOnline(): void {
    this.#isHurried = true;
    this.#line.handleOnline();
    this.#changed();
  }

  async #run(): Promise<StayEnd> {
    let end: StayEnd;
    try {
      end = await this.#receive();
    } catch (error) {
      end =
        error instanceof Ended
          ? error.end
          : { type: 'failed', error: unexpected(error), isDestinations: false };
    }
    this.#finish(end);
    if (end.type === 'received' || end.type === 'failed') {
      this.#line.tellProgress(end.type === 'received' ? 'completed' : 'failed');
    }
    await this.#line.leave();
    return end;
  }

  async #receive(): Promise<StayEnd> {
    let retry = FIRST_RETRY_MS;
    for (;;) {
      if (this.#heldUntil !== undefined) {
        // All was told: a connection is only worth making for what is chosen.
        await this.#until(
          () => this.#heldUntil === undefined,
          () => this.#heldUntil,
        );
        if (this.#heldUntil !== undefined) {
          return { type: 'released' };
        }
      }
      await this.#until(() => this.#isAdmitted && !this.#isAway);
      this.#attempt += 1;
      this.#tell({ type: 'connecting' });
      const { error, isOpened, isAtOnce } = await this.#connectAndReceive();
      if (isOpened) {
        this.#isKnown = true;
        this.#trouble = undefined;
        retry = FIRST_RETRY_MS;
      }
      // Else the time runs on until the choice.
      if (this.#heldUntil === undefined) {
        this.#noteTrouble(error);
        const pause = isAtOnce ? 0 : retry;
        this.#tell({ type: 'retrying', error, pause });
        this.#isHurried = false;
        const next = performance.now() + pause;
        await this.#until(
          () => this.#isHurried,
          () => next,
        );
        retry = Math.min(retry * 2, LAST_RETRY_MS);
      }
    }
  }

  // Why it is over; it may work the next time.
  async #connectAndReceive(): Promise<{
    error: ProtocolError;
    isOpened: boolean;
    isAtOnce: boolean;
  }> {
    const channel = await this.#connect();
    if (channel instanceof ProtocolError) {
      // What was said through another socket may be lost, and nobody says it again.
      return { error: channel, isOpened: false, isAtOnce: channel.code === 'interrupted' };
    }
    const { link, psk, name } = this.#options;
    const transfer = new Transfer(
      { link, psk, name, target: this.#target, isSenderHere: !this.#isAway },
      channel,
      (event) => {
        this.#hear(event);
      },
    );
    this.#transfer = transfer;
    const stop = await this.#serve(transfer);
    this.#transfer = undefined;
    const { isOpened } = transfer;
    switch (stop.type) {
      case 'finished':
        throw new Ended({ type: 'received', report: stop.report });
      case 'failed':
        throw new Ended({ type: 'failed', error: stop.error, isDestinations: true });
      case 'replaced':
        return { error: new ProtocolError('sender_gone'), isOpened, isAtOnce: true };
      case 'stopped':
        throw new Ended(this.#end ?? { type: 'released' });
      case 'lost':
        if (!LOSSES.includes(stop.error.code)) {
          throw new Ended({ type: 'failed', error: stop.error, isDestinations: false });
        }
        return { error: stop.error, isOpened, isAtOnce: false };
    }
  }

  async #connect(): Promise<Channel | ProtocolError> {
    const upheavals = this.#upheavals;
    const iceServers = await this.#line.ice.servers();
    const signals = this.#signals;
    const connection = new Connection({
      role: 'answer',
      attempt: this.#attempt,
      iceServers,
      say: (signal) => {
        this.#line.say(signal);
      },
    });
    this.#connection = connection;
    let result: Channel | ProtocolError | undefined;
    const opening = connection.opened.then(
      (channel) => {
        result = channel;
      },
      (error: unknown) => {
        result = unexpected(error);
      },
    );
    void opening.then(() => {
      this.#changed();
    });
    try {
      await this.#until(() => result !== undefined || this.#upheavals !== upheavals);
    } catch (error) {
      connection.close();
      throw error;
    }
    if (result === undefined) {
      connection.close();
      return new ProtocolError('interrupted', 'another socket');
    }
    if (result instanceof ProtocolError) {
      this.#line.ice.forget();
      if (this.#signals === signals) {
        // Nothing was heard of the sender at all: the socket may be dead without anyone having told.
        this.#line.renew();
      }
    }
    return result;
  }

  // Runs until the transfer is over, by itself or because the stay or the slot's time is.
  async #serve(transfer: Transfer): Promise<Stop> {
    let stop: Stop | undefined;
    void transfer.ended.then((ended) => {
      stop = ended;
      this.#changed();
    });
    for (;;) {
      try {
        // The slot's time begins when all is listed.
        await this.#until(
          () => stop !== undefined,
          () => this.#heldUntil,
        );
      } catch (error) {
        // The share is over, or the person has left.
        const end = error instanceof Ended ? error.end : undefined;
        transfer.stop(end?.type === 'failed' ? end.error.code : 'peer_left');
        const ended = await transfer.ended;
        if (ended.type === 'finished') {
          return ended;
        }
        throw error;
      }
      if (stop !== undefined) {
        return stop;
      }
      if (this.#heldUntil !== undefined && performance.now() >= this.#heldUntil) {
        transfer.stop('peer_left');
        return transfer.ended;
      }
    }
  }

  #hear(event: TransferEvent): void {
    switch (event.type) {
      case 'opened':
        this.#line.tellProgress('connected');
        this.#trouble = undefined;
        break;
      case 'progress':
        this.#line.tellProgress('downloading');
        break;
      case 'all_listed':
        this.#heldUntil = performance.now() + HOLD_MS;
        this.#tell({ type: 'choosing', keptUntil: Date.now() + HOLD_MS });
        this.#changed();
        return;
      default:
        break;
    }
    this.#tell(event);
  }

  #handleSignal(signal: Signal): void {
    if (signal.attempt === this.#attempt) {
      this.#signals += 1;
    }
    this.#connection?.handleSignal(signal);
  }

  #handleSender(isHere: boolean): void {
    const wasAway = this.#isAway;
    this.#isAway = !isHere;
    this.#transfer?.handleSender(isHere);
    if (!isHere && !wasAway) {
      this.#noteTrouble(new ProtocolError('sender_gone'));
      if (this.#transfer === undefined) {
        this.#tell({ type: 'sender_away' });
      }
    }
  }

  // In line or in a slot, with the sender there, one waits for as long as it takes.
  #notePlace(): void {
    if (!this.#isAway) {
      this.#isKnown = true;
      this.#trouble = undefined;
    }
    this.#changed();
  }

  #noteTrouble(error: ProtocolError): void {
    this.#trouble = { since: this.#trouble?.since ?? performance.now(), error };
    this.#changed();
  }

  // When patience is over; a transfer that goes on needs none.
  #givesUpAt(): number | undefined {
    if (this.#trouble === undefined || this.#transfer !== undefined) {
      return undefined;
    }
    const patience = this.#target === undefined ? PATIENCE_MS : LONG_PATIENCE_MS;
    const isUnknown = this.#trouble.error.code === 'share_not_found' && !this.#isKnown;
    return this.#trouble.since + (isUnknown ? UNKNOWN_SHARE_MS : patience);
  }

  // Waits until `isSo`, or until the deadline, which may change meanwhile. Unwinds when the stay is over.
  async #until(isSo: () => boolean, deadline?: () => number | undefined): Promise<void> {
    for (;;) {
      if (this.#end !== undefined) {
        throw new Ended(this.#end);
      }
      const now = performance.now();
      const until = deadline?.() ?? Infinity;
      if (isSo() || now >= until) {
        return;
      }
      const givesUpAt = this.#givesUpAt() ?? Infinity;
      if (this.#trouble !== undefined && now >= givesUpAt) {
        throw new Ended({ type: 'failed', error: this.#trouble.error, isDestinations: false });
      }
      await this.#change(Math.min(until, givesUpAt) - now);
    }
  }

  // Resolves with the next change, or after so many milliseconds.
  #change(limit: number): Promise<void> {
    return new Promise((resolve) => {
      // A longer timer would fire at once.
      const timer = setTimeout(resolve, Math.min(limit, 2 ** 31 - 1));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #changed(): void {
    this.#wake();
  }

  #finish(end: StayEnd): void {
    this.#end ??= end;
    this.#changed();
  }
}

function unexpected(error: unknown): ProtocolError {
  return error instanceof ProtocolError ? error : new ProtocolError('no_connection', String(error));
}
