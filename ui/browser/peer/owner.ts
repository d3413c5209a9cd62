// The sender's line: keeps its share open at the server, through losses and restarts.
import {
  type ClientMessage,
  type Code,
  type CreateShare,
  type ServerMessage,
  VERSION,
} from '../../protocol/bindings';
import { ProtocolError } from '../../protocol/error';
import type { JoinHash, OwnerKey, PeerId } from '../../protocol/id';
import { after, now } from '../clock';
import { Backoff, RESTART_MS, RESTART_TIME_MS, spread } from './backoff';
import { type Api, Refusal } from './http';
import { type Closed, Socket } from './socket';

// A socket tells nothing of the server's pings: now and then the server is asked whether it is there.
const PROBE_MS = 20_000;
// What is said while there is no socket waits, within reason.
const MAX_UNSAID = 256;

/** What a server must know of a share when it has lost it. */
export interface Standing {
  /** How many receivers may be connected at once. */
  slots: number;
  /** What the share holds, sealed. */
  summary: string;
  /** The receivers that this page is connected with. */
  active: readonly PeerId[];
}

/** Who hears of what happens on the line. */
export interface OwnerListener {
  /** What the server must be told when the share is opened now. */
  standing(): Standing;
  /** The share is open. Told again after each loss. */
  up(): void;
  /** The server can't be reached, or would not answer; it is tried again in so many milliseconds. */
  down(error: ProtocolError, pause: number): void;
  /** The server said something on the socket. */
  message(message: ServerMessage): void;
  /** The server will not have this share; nothing more comes. */
  refused(error: ProtocolError): void;
}

/** An open line. */
export class OwnerLine {
  readonly #api: Api;
  readonly #keys: { owner_key: OwnerKey; join_hash: JoinHash };
  readonly #listener: OwnerListener;
  readonly #backoff = new Backoff();
  readonly #gone = new AbortController();
  #socket: Socket | undefined;
  #isUp = false;
  // For the next try.
  #isWaiting = false;
  #token: string | undefined;
  #unsaid: ClientMessage[] = [];
  #summary = '';
  // Until then the server is expected not to be there.
  #quietUntil = 0;
  #stopTimer: () => void = () => undefined;

  constructor(
    api: Api,
    keys: { owner_key: OwnerKey; join_hash: JoinHash },
    listener: OwnerListener,
  ) {
    this.#api = api;
    this.#keys = keys;
    this.#listener = listener;
    void this.#connect();
  }

  /** What opens the server's routes for this share, once there is it. */
  token(): string | undefined {
    return this.#token;
  }

  /** Says something; while there is no socket it waits. */
  say(message: ClientMessage): void {
    if (this.#isUp) {
      this.#socket?.send(message);
    } else if (this.#unsaid.length < MAX_UNSAID) {
      this.#unsaid.push(message);
    }
  }

  /** Looks at what the share holds now: if that is new, it is told. */
  tellSummary(): void {
    const { summary } = this.#listener.standing();
    if (this.#isUp && summary !== this.#summary) {
      this.#summary = summary;
      this.#socket?.send({ type: 'summary', summary });
    }
  }

  /** The network is back: what was waited for is tried at once, and what stands is looked at. */
  handleOnline(): void {
    if (this.#isWaiting) {
      this.#pause(0);
    } else if (this.#isUp && this.#socket !== undefined) {
      this.#probe(this.#socket);
    }
  }

  /** Closes the line; nothing more is told. */
  close(): void {
    this.#gone.abort();
    this.#stopTimer();
    this.#socket?.close();
    this.#socket = undefined;
    this.#isUp = false;
  }

  async #connect(): Promise<void> {
    this.#isWaiting = false;
    const { slots, summary, active } = this.#listener.standing();
    const create: CreateShare = {
      version: VERSION,
      ...this.#keys,
      slots,
      summary,
      active: active.slice(0, slots),
    };
    try {
      const { token } = await this.#api.create(create, this.#gone.signal);
      this.#token = token;
      this.#summary = summary;
    } catch (error) {
      this.#lose(error instanceof ProtocolError ? error : new ProtocolError('server_failed'));
      return;
    }
    if (this.#gone.signal.aborted) {
      return;
    }
    const socket = new Socket(this.#api, this.#token, {
      message: (message) => {
        this.#hear(socket, message);
      },
      closed: (why) => {
        this.#drop();
        this.#lose(why);
      },
    });
    this.#socket = socket;
  }

  #hear(socket: Socket, message: ServerMessage): void {
    if (message.type === 'opened') {
      this.#isUp = true;
      this.#backoff.handleSuccess(now());
      this.#quietUntil = 0;
      this.#listener.up();
      this.#watch(socket);
    }
    if (message.type === 'ended' && message.code !== 'sender_gone') {
      this.close();
    }
    this.#listener.message(message);
    if (message.type === 'opened') {
      this.tellSummary();
      for (const unsaid of this.#unsaid.splice(0)) {
        socket.send(unsaid);
      }
    }
  }

  #drop(): void {
    this.#stopTimer();
    this.#socket = undefined;
    this.#isUp = false;
  }

  #lose(why: Closed): void {
    if (this.#gone.signal.aborted) {
      return;
    }
    if (why === 'restart') {
      this.#quietUntil = now() + RESTART_TIME_MS;
      // Before its receivers, so that they find the share.
      this.#pause(spread(RESTART_MS / 2, Math.random()));
      return;
    }
    // A token that lapsed is no refusal: the next one is asked for by a new POST.
    if (why.code === 'share_taken' || (why instanceof Refusal && isFinal(why.code))) {
      this.close();
      this.#listener.refused(why);
      return;
    }
    const retryAfter = why instanceof Refusal ? why.retryAfter : undefined;
    const pause = this.#backoff.handleFailure(now(), retryAfter, Math.random());
    this.#pause(pause);
    if (now() >= this.#quietUntil) {
      this.#listener.down(why, pause);
    }
  }

  #pause(pause: number): void {
    this.#stopTimer();
    this.#isWaiting = true;
    this.#stopTimer = after(pause, () => {
      void this.#connect();
    });
  }

  #watch(socket: Socket): void {
    this.#stopTimer = after(PROBE_MS, () => {
      this.#probe(socket);
    });
  }

  // Any answer is a sign of life; what else it says will be said on the socket.
  #probe(socket: Socket): void {
    this.#stopTimer();
    this.#api.summary(this.#token ?? '', this.#gone.signal).then(
      () => {
        if (this.#socket === socket) {
          this.#watch(socket);
        }
      },
      (error: unknown) => {
        if (this.#socket !== socket) {
          return;
        }
        if (error instanceof ProtocolError && error.code === 'server_unreachable') {
          socket.close();
          this.#drop();
          this.#lose(error);
        } else {
          this.#watch(socket);
        }
      },
    );
  }
}

// What trying again can't change.
function isFinal(code: Code): boolean {
  return [
    'not_authorised',
    'version_unsupported',
    'request_invalid',
    'share_taken',
    'share_ended',
  ].includes(code);
}
