// What an open sending session knows: what was asked for, and how far it was served.
import {
  BATCH_LEN,
  MAX_REQUESTS,
  type Piece,
  type ReceiverMessage,
  type Totals,
  type WantItem,
} from '../bindings';
import type { Key } from '../crypto';
import { ProtocolError } from '../error';
import { chunkCount, chunkLen } from '../frame';
import type { ControlChannel } from '../handshake';
import type { CryptoProvider } from '../provider';
import { ReadBatch } from './batch';

const BATCH_PIECES = 128;

interface Request {
  readonly id: number;
  readonly items: readonly WantItem[];
  // The item that is served, and how far: the entry in a run of whole ones, the chunk in its file.
  at: number;
  entry: number;
  chunk: number;
}

export class Open {
  totals: Totals = { pages: 0, entries: 0, bytes: 0, unreadable: 0, complete: false };
  totalsDue = false;
  pagesAllowed = 0;
  nextPage = 0;
  credit = 0;
  sent = 0;
  reading = false;
  pausedTold = false;
  #nextRequest = 0;
  readonly #requests: Request[] = [];

  constructor(
    readonly channel: ControlChannel,
    private readonly session: Key,
    private readonly provider: CryptoProvider,
    private readonly maxMessage: number,
  ) {}

  /** Takes a request behind all others. */
  handleWant({ request, items }: Extract<ReceiverMessage, { type: 'want' }>): void {
    const isNext = request === this.#nextRequest && request < 0xffff_ffff;
    if (!isNext || this.#requests.length >= MAX_REQUESTS || items.length === 0) {
      throw new ProtocolError('frame_invalid', 'a request out of turn, or for nothing');
    }
    this.#nextRequest += 1;
    const next: Request = { id: request, items, at: 0, entry: 0, chunk: 0 };
    enter(next);
    this.#requests.push(next);
  }

  /** What is to be read next, of one request: the key depends on it. */
  nextBatch(sizeOf: (entry: number) => number | undefined): ReadBatch | undefined {
    const pieces: Piece[] = [];
    let bytes = 0;
    for (;;) {
      const request = this.#requests[0];
      if (request === undefined) {
        return undefined;
      }
      const item = request.items[request.at];
      if (item === undefined) {
        if (pieces.length > 0) {
          break;
        }
        this.#requests.shift();
        continue;
      }
      const { entry, chunk } = request;
      const size = sizeOf(entry);
      const chunks = chunkCount(size ?? 0);
      if (size === undefined || (item.type === 'part' && item.first + item.count > chunks)) {
        throw new ProtocolError('frame_invalid', 'what does not exist is asked for');
      }
      const len = chunkLen(size, chunk);
      if (len > 0) {
        const isFull = bytes + len > BATCH_LEN || pieces.length === BATCH_PIECES;
        if (len > this.credit - this.sent - bytes || (isFull && pieces.length > 0)) {
          break;
        }
        pieces.push({ entry, chunk, len });
        bytes += len;
      }
      advance(request, item, chunks);
    }
    const id = this.#requests[0]?.id;
    return pieces.length === 0 || id === undefined
      ? undefined
      : new ReadBatch(this.provider, this.session, id, pieces, this.maxMessage);
  }

  /** Passes over what is left of an entry; the receiver drops the same when it hears of the failure. */
  skipEntry(id: number, failed: number): void {
    const request = this.#requests[0];
    if (request?.id !== id) {
      return;
    }
    let item = request.items[request.at];
    if (item?.type === 'whole' && request.entry === failed && request.chunk > 0) {
      nextEntry(request, item);
      item = request.items[request.at];
    }
    while (item?.type === 'part' && item.entry === failed) {
      request.at += 1;
      enter(request);
      item = request.items[request.at];
    }
  }
}

// Stands at the start of the item that is to be served.
function enter(request: Request): void {
  const item = request.items[request.at];
  if (item !== undefined) {
    request.entry = item.type === 'whole' ? item.first : item.entry;
    request.chunk = item.type === 'whole' ? 0 : item.first;
  }
}

// Moves past the chunk that was just taken.
function advance(request: Request, item: WantItem, chunks: number): void {
  request.chunk += 1;
  if (item.type === 'whole') {
    if (request.chunk >= chunks) {
      nextEntry(request, item);
    }
  } else if (request.chunk === item.first + item.count) {
    request.at += 1;
    enter(request);
  }
}

function nextEntry(request: Request, item: Extract<WantItem, { type: 'whole' }>): void {
  request.entry += 1;
  request.chunk = 0;
  if (request.entry === item.first + item.count) {
    request.at += 1;
    enter(request);
  }
}
