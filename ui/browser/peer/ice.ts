// The servers that help to find a path between peers, as the share's server tells them.
import type { IceServer } from '../../protocol/bindings';
import type { Api } from './http';

// A connection is better made without help than late.
const PATIENCE_MS = 3_000;
// How long an answer is good that says nothing about it.
const PLAIN_TTL_MS = 60_000;
// No server can make this client believe for longer than a day.
const MAX_TTL_MS = 86_400_000;
// How long a server that did not answer is left alone.
const AGAIN_MS = 3_000;

interface Known {
  servers: readonly IceServer[];
  /** Asked for anew from then on. */
  stale: number;
  /** Of no use from then on. */
  dead: number;
}

/** Asks for them, at most once in half of the time that an answer is good for. */
export class IceSource {
  readonly #api: Api;
  readonly #token: () => string | undefined;
  #known: Known | undefined;
  // Those who come while it asks take the same answer.
  #asking: Promise<Known> | undefined;

  /** `token` gives the token or ticket, once there is one. */
  constructor(api: Api, token: () => string | undefined) {
    this.#api = api;
    this.#token = token;
  }

  /** The servers for a connection that is made now; none when the server does not tell, which is no error. */
  async servers(): Promise<readonly IceServer[]> {
    if (this.#known !== undefined && performance.now() < this.#known.stale) {
      return this.#known.servers;
    }
    const token = this.#token();
    if (token === undefined) {
      return [];
    }
    this.#asking ??= this.#ask(token).finally(() => {
      this.#asking = undefined;
    });
    return (await this.#asking).servers;
  }

  /** Forgets what was told: a connection could not be made with it. */
  forget(): void {
    this.#known = undefined;
  }

  async #ask(token: string): Promise<Known> {
    let known: Known;
    try {
      const { ice_servers, ttl } = await this.#api.ice(token, PATIENCE_MS);
      const now = performance.now();
      const good = typeof ttl === 'number' ? Math.min(ttl * 1000, MAX_TTL_MS) : PLAIN_TTL_MS;
      known = { servers: ice_servers, stale: now + good / 2, dead: now + good };
    } catch {
      const now = performance.now();
      const old = this.#known;
      const isGood = old !== undefined && now < old.dead;
      known = {
        servers: isGood ? old.servers : [],
        stale: now + AGAIN_MS,
        dead: isGood ? old.dead : now,
      };
    }
    this.#known = known;
    return known;
  }
}
