// What peers and server say to each other: JSON that comes in is checked here. Fields that are not known are passed
// over, as docs/signaling.md says; a text that is not what it should be is `request_invalid`.
import {
  type Code,
  type ErrorBody,
  type IceServer,
  type IceServers,
  MAX_CANDIDATE_LEN,
  MAX_SDP_LEN,
  MAX_SIGNAL_LEN,
  type Place,
  type SealedSummary,
  type ServerMessage,
  type ShareCreated,
  type ShareJoined,
  type Signal,
} from './bindings';
import { encodeText } from './bytes';
import { ProtocolError, parseCode } from './error';
import { type PeerId, type ShareId, parseId } from './id';

const MAX_MID_LEN = 64;

/** Reads one WebSocket message of the server; nothing for a type that is not known. */
export function parseServerMessage(text: string): ServerMessage | undefined {
  const message = parseJson(text);
  switch (message.text('type')) {
    case 'opened': {
      const active = message.list('active').map(toPeer);
      return { type: 'opened', active, waiting: message.u32('waiting') };
    }
    case 'admitted':
      return { type: 'admitted' };
    case 'joined':
      return { type: 'joined', peer: message.peer('peer') };
    case 'left':
      return { type: 'left', peer: message.peer('peer') };
    case 'waiting':
      return { type: 'waiting', count: message.u32('count') };
    case 'relay': {
      const signal = readSignal(message.object('signal'));
      return { type: 'relay', signal, ...message.optional('peer', () => message.peer('peer')) };
    }
    case 'sender_away':
      return { type: 'sender_away' };
    case 'sender_back':
      return { type: 'sender_back' };
    case 'ended':
      return { type: 'ended', code: message.code('code') };
    case 'error':
      return { type: 'error', ...readError(message) };
    default:
      return undefined;
  }
}

/** Reads a place, as the long poll and the event stream tell it. */
export function parsePlace(text: string): Place {
  return readPlace(parseJson(text));
}

/** Reads the answer to `CreateShare`. */
export function parseShareCreated(text: string): ShareCreated {
  const answer = parseJson(text);
  const share = parseId<ShareId>(answer.text('share'), 16, 'request_invalid');
  return { share, token: answer.text('token') };
}

/** Reads the answer to `JoinShare`. */
export function parseShareJoined(text: string): ShareJoined {
  const answer = parseJson(text);
  const place = readPlace(answer.object('place'));
  const summary = answer.optional('summary', () => answer.text('summary'));
  return { ticket: answer.text('ticket'), place, ...summary };
}

/** Reads the STUN and TURN servers that the server names. */
export function parseIceServers(text: string): IceServers {
  const answer = parseJson(text);
  const ice_servers = answer.list('ice_servers').map((value) => readIceServer(new Fields(value)));
  return { ice_servers, ...answer.optional('ttl', () => answer.whole('ttl')) };
}

/** Reads what a sender has left with the server for those who wait. */
export function parseSealedSummary(text: string): SealedSummary {
  return { summary: parseJson(text).text('summary') };
}

/** Reads the body of a refusal, or what the event stream says when a share has ended; `message` may be missing. */
export function parseError(text: string): ErrorBody {
  return readError(parseJson(text));
}

/** Whether all texts are within their limits: the server refuses others. */
export function isWithinLimits(signal: Signal): boolean {
  const fits = (text: string, max: number): boolean => encodeText(text).length <= max;
  switch (signal.type) {
    case 'request':
      return true;
    case 'offer':
    case 'answer':
      return fits(signal.sdp, MAX_SDP_LEN);
    case 'candidate':
      return fits(signal.candidate, MAX_CANDIDATE_LEN) && fits(signal.sdp_mid ?? '', MAX_MID_LEN);
  }
}

function readPlace(place: Fields): Place {
  const tier = place.text('tier');
  if (tier !== 'active' && tier !== 'near' && tier !== 'far') {
    throw invalid('tier');
  }
  return {
    tier,
    ahead: place.u32('ahead'),
    slots: place.u16('slots'),
    sender_here: place.flag('sender_here'),
    version: place.text('version'),
    ...place.optional('lease_ms', () => place.whole('lease_ms')),
  };
}

function readIceServer(server: Fields): IceServer {
  const urls = server.list('urls').map((url) => {
    if (typeof url !== 'string') {
      throw invalid('urls');
    }
    return url;
  });
  return {
    urls,
    ...server.optional('username', () => server.text('username')),
    ...server.optional('credential', () => server.text('credential')),
  };
}

function readError(body: Fields): ErrorBody {
  const message = body.optional('message', () => body.text('message'));
  return { code: body.code('code'), message: message.message ?? '' };
}

function readSignal(signal: Fields): Signal {
  const attempt = signal.u32('attempt');
  const type = signal.text('type');
  switch (type) {
    case 'request':
      return { type, attempt };
    case 'offer':
    case 'answer':
      return { type, attempt, sdp: signal.text('sdp') };
    case 'candidate':
      return {
        type,
        attempt,
        candidate: signal.text('candidate'),
        ...signal.optional('sdp_mid', () => signal.text('sdp_mid')),
        ...signal.optional('sdp_mline_index', () => signal.u16('sdp_mline_index')),
      };
    default:
      throw invalid('type');
  }
}

function invalid(field: string): ProtocolError {
  return new ProtocolError('request_invalid', `not what it should be: ${field}`);
}

function parseJson(text: string): Fields {
  // A UTF-16 unit is at most three bytes.
  if (text.length * 3 > MAX_SIGNAL_LEN && encodeText(text).length > MAX_SIGNAL_LEN) {
    throw new ProtocolError('request_invalid', 'a message is too long');
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ProtocolError('request_invalid', 'not JSON');
  }
  return new Fields(value);
}

function toPeer(value: unknown): PeerId {
  if (typeof value !== 'string') {
    throw invalid('peer');
  }
  return parseId<PeerId>(value, 16, 'request_invalid');
}

// The fields of a JSON object, each of which must be what is asked for.
class Fields {
  readonly #value: object;

  constructor(value: unknown) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw invalid('an object');
    }
    this.#value = value;
  }

  #get(name: string): unknown {
    return Object.hasOwn(this.#value, name)
      ? (this.#value as Record<string, unknown>)[name]
      : undefined;
  }

  text(name: string): string {
    const value = this.#get(name);
    if (typeof value !== 'string') {
      throw invalid(name);
    }
    return value;
  }

  flag(name: string): boolean {
    const value = this.#get(name);
    if (typeof value !== 'boolean') {
      throw invalid(name);
    }
    return value;
  }

  /** A whole number that is not negative. */
  whole(name: string, max = Number.MAX_SAFE_INTEGER): number {
    const value = this.#get(name);
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max) {
      throw invalid(name);
    }
    return value;
  }

  u16(name: string): number {
    return this.whole(name, 0xffff);
  }

  u32(name: string): number {
    return this.whole(name, 0xffff_ffff);
  }

  list(name: string): unknown[] {
    const value = this.#get(name);
    if (!Array.isArray(value)) {
      throw invalid(name);
    }
    return value as unknown[];
  }

  object(name: string): Fields {
    return new Fields(this.#get(name));
  }

  peer(name: string): PeerId {
    return toPeer(this.#get(name));
  }

  /** A code; one of a later version is read as `server_failed`. */
  code(name: string): Code {
    return parseCode(this.text(name)) ?? 'server_failed';
  }

  /** What `read` makes of a field, under its name, or nothing where it is missing or null. */
  optional<Name extends string, T>(name: Name, read: () => T): { [Key in Name]?: T } {
    const value = this.#get(name);
    return value === undefined || value === null
      ? {}
      : ({ [name]: read() } as { [Key in Name]?: T });
  }
}
