// A share while it is open: the one place where receivers come and go.
import type { Code, ServerMessage, Signal, Totals } from '../../protocol/bindings';
import type { ProtocolError } from '../../protocol/error';
import type { JoinHash, LinkSecret, OwnerKey, PeerId } from '../../protocol/id';
import { SummaryKey } from '../../protocol/summary';
import { after } from '../clock';
import { randomBytes } from '../crypto';
import type { PathKind } from '../peer/connection';
import type { Api } from '../peer/http';
import { IceSource } from '../peer/ice';
import { OwnerLine, type Standing } from '../peer/owner';
import { Budget } from './budget';
import { ReceiverLink, type ShareSource } from './receiver';

// How often those who wait hear of a share that grows.
const SUMMARY_INTERVAL_MS = 2_000;
const FAREWELL_MS = 2_000;

/** What a share is served from, but for what the desk makes itself. */
export type DeskSource = Omit<ShareSource, 'ice' | 'budget'>;

/** The keys behind one link that the desk needs beside those of {@link DeskSource}. */
export interface DeskKeys {
  owner_key: OwnerKey;
  join_hash: JoinHash;
  secret: LinkSecret;
}

/** Who hears of what happens. */
export interface DeskListener {
  /** The server has the share, for the first time or again. */
  up(): void;
  /** The server is away; it is tried again in so many milliseconds. */
  down(error: ProtocolError, pause: number): void;
  /** The server will not have the share; nothing more comes. */
  refused(error: ProtocolError): void;
  waiting(count: number): void;
  joined(peer: PeerId): void;
  left(peer: PeerId): void;
  connected(peer: PeerId, name: string): void;
  path(peer: PeerId, path: PathKind): void;
  progress(peer: PeerId, bytes: number, totalBytes: number | undefined): void;
  done(peer: PeerId, bytes: number): void;
  lost(peer: PeerId, code: Code): void;
}

/** An open share. */
export class Desk {
  readonly #source: ShareSource;
  readonly #listener: DeskListener;
  readonly #line: OwnerLine;
  readonly #slots: number;
  readonly #links = new Map<PeerId, ReceiverLink>();
  // Those in a slot, as it was told.
  readonly #joined = new Set<PeerId>();
  // Kept while a receiver holds a slot, over all of its connections.
  readonly #pausedReceivers = new Set<PeerId>();
  readonly #letGo = new Set<PeerId>();
  readonly #summaryKey: SummaryKey;
  readonly #unsubscribe: () => void;
  #summary: string;
  #told: Totals;
  #stopSummary: (() => void) | undefined;
  #paused = false;
  #over: (() => void) | undefined;

  /** Opens the share at its server. */
  constructor(source: DeskSource, keys: DeskKeys, slots: number, api: Api, listener: DeskListener) {
    const { secret, ...owner } = keys;
    this.#listener = listener;
    this.#slots = slots;
    this.#summaryKey = new SummaryKey(secret, source.share);
    const { catalog } = source;
    this.#told = catalog.totals;
    this.#summary = this.#sealSummary(source.name, this.#told);
    const ice = new IceSource(api, () => this.#line.token());
    this.#source = { ...source, ice, budget: new Budget() };
    this.#unsubscribe = catalog.subscribe(() => {
      this.#noteTotals(catalog.totals);
    });
    this.#line = new OwnerLine(api, owner, {
      standing: () => this.#standing(),
      up: () => {
        listener.up();
      },
      down: (error, pause) => {
        listener.down(error, pause);
      },
      message: (message) => {
        this.#hear(message);
      },
      refused: (error) => {
        this.stop();
        listener.refused(error);
      },
    });
  }

  /** Holds content back from all receivers, or lets it flow again. They stay connected and are told. */
  pause(paused: boolean): void {
    this.#paused = paused;
    for (const [peer, link] of this.#links) {
      link.setPaused(this.#isPaused(peer));
    }
  }

  /** The same for one receiver; content flows to it while neither holds it back. */
  pauseReceiver(peer: PeerId, paused: boolean): void {
    if (paused) {
      this.#pausedReceivers.add(peer);
    } else {
      this.#pausedReceivers.delete(peer);
    }
    this.#links.get(peer)?.setPaused(this.#isPaused(peer));
  }

  /** Ends one receiver's part in the share; the same receiver is not let in again. */
  letGo(peer: PeerId): void {
    this.#letGo.add(peer);
    const link = this.#links.get(peer);
    if (link?.isOpen === true) {
      // Its own last word comes before the server's; the server hears when it is said.
      link.close('let_go');
    } else {
      link?.drop();
      this.#links.delete(peer);
      this.#dismiss(peer);
    }
  }

  /** The network is back. */
  handleOnline(): void {
    this.#line.handleOnline();
  }

  /** Says goodbye to every receiver and to the server, within two seconds; the link is dead. */
  async end(): Promise<void> {
    const isOver = new Promise<void>((resolve) => {
      this.#over = resolve;
      after(FAREWELL_MS, resolve);
    });
    this.sayEnd();
    await isOver;
    this.stop();
  }

  /** Says what {@link end} says, and waits for nothing: the page is being closed. */
  sayEnd(): void {
    for (const link of this.#links.values()) {
      link.close('share_ended');
    }
    this.#line.say({ type: 'end' });
  }

  /** Closes everything at once. */
  stop(): void {
    this.#unsubscribe();
    this.#stopSummary?.();
    this.#line.close();
    for (const link of this.#links.values()) {
      link.drop();
    }
    this.#links.clear();
  }

  #standing(): Standing {
    const open = [...this.#links].filter(([, link]) => link.isOpen).map(([peer]) => peer);
    return { slots: this.#slots, summary: this.#summary, active: open };
  }

  #isPaused(peer: PeerId): boolean {
    return this.#paused || this.#pausedReceivers.has(peer);
  }

  #noteTotals(totals: Totals): void {
    if (totals.complete) {
      this.#tellTotals(totals);
    } else {
      this.#stopSummary ??= after(SUMMARY_INTERVAL_MS, () => {
        this.#stopSummary = undefined;
        this.#tellTotals(this.#source.catalog.totals);
      });
    }
  }

  #tellTotals(totals: Totals): void {
    if (totals !== this.#told) {
      this.#told = totals;
      this.#summary = this.#sealSummary(this.#source.name, totals);
      this.#line.tellSummary();
    }
  }

  #sealSummary(name: string, { entries, bytes, complete }: Totals): string {
    return this.#summaryKey.seal({ name, entries, bytes, complete }, randomBytes(12));
  }

  #hear(message: ServerMessage): void {
    switch (message.type) {
      case 'opened':
        // Some may have come and gone while no server could say so.
        for (const peer of this.#joined) {
          if (!message.active.includes(peer)) {
            this.#handleLeft(peer);
          }
        }
        for (const peer of message.active) {
          this.#handleJoined(peer);
        }
        this.#listener.waiting(message.waiting);
        break;
      case 'waiting':
        this.#listener.waiting(message.count);
        break;
      case 'joined':
        this.#handleJoined(message.peer);
        break;
      case 'left':
        this.#handleLeft(message.peer);
        break;
      case 'relay':
        if (message.peer !== undefined && message.peer !== null) {
          this.#handleSignal(message.peer, message.signal);
        }
        break;
      case 'ended':
        this.#over?.();
        break;
      default:
        break;
    }
  }

  #handleJoined(peer: PeerId): void {
    if (this.#letGo.has(peer)) {
      this.#dismiss(peer);
    } else if (!this.#joined.has(peer)) {
      this.#joined.add(peer);
      this.#listener.joined(peer);
    }
  }

  #handleLeft(peer: PeerId): void {
    // A transfer that still runs is worth more than the server's view of it.
    const link = this.#links.get(peer);
    if (link?.isOpen !== true) {
      link?.drop();
      this.#links.delete(peer);
      this.#pausedReceivers.delete(peer);
    }
    if (this.#joined.delete(peer)) {
      this.#listener.left(peer);
    }
  }

  #handleSignal(peer: PeerId, signal: Signal): void {
    if (signal.type !== 'request') {
      this.#links.get(peer)?.handleSignal(signal);
    } else if (this.#letGo.has(peer)) {
      this.#dismiss(peer);
    } else {
      this.#connect(peer, signal.attempt);
    }
  }

  // A later attempt takes the place of an earlier one.
  #connect(peer: PeerId, attempt: number): void {
    this.#links.get(peer)?.drop();
    const link = new ReceiverLink(this.#source, attempt, this.#isPaused(peer), {
      say: (signal) => {
        this.#line.say({ type: 'relay', peer, signal });
      },
      opened: (name) => {
        this.#listener.connected(peer, name);
      },
      path: (path) => {
        this.#listener.path(peer, path);
      },
      progress: (bytes, totalBytes) => {
        this.#listener.progress(peer, bytes, totalBytes);
      },
      done: (bytes) => {
        this.#listener.done(peer, bytes);
      },
      over: (code) => {
        this.#handleOver(peer, link, code);
      },
    });
    this.#links.set(peer, link);
  }

  #handleOver(peer: PeerId, link: ReceiverLink, code: Code | undefined): void {
    if (this.#links.get(peer) !== link) {
      return;
    }
    this.#links.delete(peer);
    if (this.#letGo.has(peer)) {
      this.#dismiss(peer);
    }
    if (code !== undefined) {
      this.#listener.lost(peer, code);
    }
  }

  // The server never lets it in again; one that forgets that is told again.
  #dismiss(peer: PeerId): void {
    this.#line.say({ type: 'dismiss', peer });
  }
}
