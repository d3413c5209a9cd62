// One WebSocket to the server, from its authorisation to its end.
import type { ClientMessage, ServerMessage } from '../../protocol/bindings';
import { ProtocolError } from '../../protocol/error';
import { parseServerMessage } from '../../protocol/signal';
import { type Api, REQUEST_TIMEOUT_MS } from './http';

// The server's word that a newer socket of the same peer took over: two must not take turns at it.
const REPLACED = 4001;
// RFC 6455's registry: the server restarts.
const RESTARTS = 1012;

/** Why a socket is gone: the server restarts, or it dropped or refused something. */
export type Closed = 'restart' | ProtocolError;

/** Who hears of what a socket brings. */
export interface SocketListener {
  /** Any message but a refusal, which ends the socket. */
  message(message: ServerMessage): void;
  /** Once, unless this side has closed it; nothing comes behind it. */
  closed(why: Closed): void;
}

/**
 * A socket that shows its token or ticket as soon as it is open; whether that is taken is told by what comes.
 *
 * The server's pings are answered by the browser, which tells nobody of them: a path that has died quietly is found out
 * by whoever waits for an answer, and by the browser when the network changes.
 */
export class Socket {
  readonly #socket: WebSocket;
  readonly #listener: SocketListener;
  readonly #timer: ReturnType<typeof setTimeout>;
  #isOver = false;

  constructor(api: Api, token: string, listener: SocketListener) {
    this.#listener = listener;
    this.#socket = new WebSocket(api.server.ws(`/api/shares/${api.share}/socket`));
    this.#timer = setTimeout(() => {
      this.#end(new ProtocolError('server_unreachable', 'it took too long'));
    }, REQUEST_TIMEOUT_MS);
    this.#socket.addEventListener('open', () => {
      clearTimeout(this.#timer);
      this.send({ type: 'authorize', token });
    });
    this.#socket.addEventListener('message', ({ data }) => {
      this.#hear(data);
    });
    this.#socket.addEventListener('close', ({ code }) => {
      this.#end(reasonOf(code));
    });
  }

  /** Says something; what is said before it is open, or behind its end, is lost. */
  send(message: ClientMessage): void {
    if (this.#socket.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify(message));
    }
  }

  /** Closes it from this side. */
  close(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#socket.close();
  }

  #end(why: Closed): void {
    if (!this.#isOver) {
      this.close();
      this.#listener.closed(why);
    }
  }

  #hear(data: unknown): void {
    if (this.#isOver) {
      return;
    }
    let message: ServerMessage | undefined;
    try {
      message = parseServerMessage(typeof data === 'string' ? data : '');
    } catch (error) {
      const detail = error instanceof ProtocolError ? error.detail : '';
      this.#end(new ProtocolError('server_failed', detail));
      return;
    }
    if (message?.type === 'error') {
      this.#end(new ProtocolError(message.code));
    } else if (message !== undefined) {
      this.#listener.message(message);
    }
  }
}

function reasonOf(code: number): Closed {
  switch (code) {
    case REPLACED:
      return new ProtocolError('share_taken');
    case RESTARTS:
      return 'restart';
    default:
      return new ProtocolError('server_unreachable');
  }
}
