// What an open receiving session knows: the manifest as far as it came, and which chunks are to come next.
import {
  CREDIT_WINDOW,
  MAX_ENTRIES,
  PAGE_WINDOW,
  type RecordHeader,
  type SenderMessage,
  type Totals,
  type Want,
} from '../bindings';
import { decodeSenderMessage, encodeReceiverMessage } from '../control';
import { FileCipher, type Key } from '../crypto';
import { ProtocolError } from '../error';
import { type Piece, type Record, RecordReader, chunkLen } from '../frame';
import type { ControlChannel } from '../handshake';
import { decodePage, entrySize } from '../manifest';
import type { CryptoProvider } from '../provider';
import type { Outbox } from '../session';
import { SealedChunk } from './chunk';
import type { ReceiveEvent } from './event';
import { type Expected, Requests } from './request';

type Message<Type> = Extract<SenderMessage, { type: Type }>;

/** Bytes and entries. */
export interface Amount {
  bytes: number;
  entries: number;
}

const differ = (a: Amount, b: Amount): boolean => a.bytes !== b.bytes || a.entries !== b.entries;

export class Open {
  // Pages that came while the share was listed, and those behind them, as they came.
  readonly kept: { first_entry: number; encoded: Uint8Array }[] = [];
  written = 0;
  granted = 0;
  durable: Amount = { bytes: 0, entries: 0 };
  chosen: Amount = { bytes: 0, entries: 0 };
  #paused = false;
  #totals: Totals = { pages: 0, entries: 0, bytes: 0, unreadable: 0, complete: false };
  readonly #reader = new RecordReader();
  #pagesGranted = 0;
  #pagesReceived = 0;
  #nextEntry = 0;
  // Pages that were given out and not planned yet.
  readonly #unplanned: { first_entry: number; sizes: number[] }[] = [];
  #pagesPlanned = 0;
  readonly #requests = new Requests();
  #cipher: { request: number; entry: number; cipher: FileCipher } | undefined;
  #received = 0;
  #reported: Amount = { bytes: 0, entries: 0 };
  #chosenTold: Amount = { bytes: 0, entries: 0 };
  #allListed = false;
  #allReceived = false;

  constructor(
    readonly channel: ControlChannel,
    private readonly session: Key,
    private readonly provider: CryptoProvider,
    private listing: boolean,
    public reportedAt: number,
  ) {}

  openControl(body: Uint8Array): SenderMessage {
    return decodeSenderMessage(this.channel.open(body));
  }

  handleControl(message: SenderMessage, events: ReceiveEvent[], outbox: Outbox): void {
    switch (message.type) {
      case 'page':
        this.#handlePage(message, events);
        this.grantPages(outbox);
        break;
      case 'totals':
        this.#handleTotals(message, events);
        break;
      case 'entry_failed':
        this.#handleEntryFailed(message, events);
        this.grantPages(outbox);
        this.giveOut(events);
        this.finishCheck(events);
        break;
      case 'paused':
        if (this.#paused !== message.paused) {
          this.#paused = message.paused;
          events.push({ type: 'paused', paused: message.paused });
        }
        break;
      case 'bye':
        throw new ProtocolError(message.code, 'the sender said goodbye');
      case 'alive':
        break;
      case 'done_heard':
        throw new ProtocolError('frame_invalid', 'nothing was said to be done');
    }
  }

  #handlePage(page: Message<'page'>, events: ReceiveEvent[]): void {
    const { index, first_entry, encoded } = page;
    const isNext = index === this.#pagesReceived && first_entry === this.#nextEntry;
    if (!isNext || index >= this.#pagesGranted) {
      throw new ProtocolError('manifest_invalid', 'a page that is not the next one');
    }
    const entries = decodePage(encoded);
    this.#pagesReceived += 1;
    this.#nextEntry = first_entry + entries.length;
    if (this.#nextEntry > MAX_ENTRIES) {
      throw new ProtocolError('manifest_invalid', 'there are more entries than any share can have');
    }
    this.#checkComplete();
    if (this.listing) {
      this.kept.push({ first_entry, encoded });
      events.push({ type: 'listed', entries });
      this.finishCheck(events);
    } else if (this.kept.length === 0 && index < this.#pagesOpenTo()) {
      this.#unplanned.push({ first_entry, sizes: entries.map(entrySize) });
      events.push({ type: 'page', first_entry, entries });
    } else {
      // Behind those that were listed, and allowed for the list's sake.
      this.kept.push({ first_entry, encoded });
    }
  }

  #handleTotals(message: Message<'totals'>, events: ReceiveEvent[]): void {
    const { pages, entries, bytes, unreadable, complete } = message;
    // What was once announced stays announced.
    if (this.#totals.complete || pages < this.#totals.pages || entries > MAX_ENTRIES) {
      throw new ProtocolError(
        'manifest_invalid',
        'what is shared shrinks, or is beyond all limits',
      );
    }
    this.#totals = { pages, entries, bytes, unreadable, complete };
    this.#checkComplete();
    events.push({ type: 'totals', totals: this.#totals });
    this.finishCheck(events);
  }

  #handleEntryFailed(message: Message<'entry_failed'>, events: ReceiveEvent[]): void {
    const { request, entry, failure } = message;
    if (!this.#reader.isAtBoundary() || !this.#requests.drop(request, entry)) {
      throw new ProtocolError('frame_invalid', 'a failure of what is not to come next');
    }
    events.push({ type: 'entry_failed', entry, failure });
  }

  /** Ends the listing; whether there was one. */
  endListing(): boolean {
    const listing = this.listing;
    this.listing = false;
    return listing;
  }

  // Gives out pages that were kept, as many as may be open at once.
  giveOut(events: ReceiveEvent[]): void {
    while (!this.listing && this.#pagesPlanned + this.#unplanned.length < this.#pagesOpenTo()) {
      const page = this.kept.shift();
      if (page === undefined) {
        return;
      }
      // It was read before, or it would not have been kept.
      const { first_entry } = page;
      const entries = decodePage(page.encoded);
      this.#unplanned.push({ first_entry, sizes: entries.map(entrySize) });
      events.push({ type: 'page', first_entry, entries });
    }
  }

  // A complete manifest has the pages and the entries that its last word says.
  #checkComplete(): void {
    const { pages, entries, complete } = this.#totals;
    const isAll = this.#pagesReceived === pages;
    const isRight = isAll ? this.#nextEntry === entries : this.#nextEntry <= entries;
    if (complete && (this.#pagesReceived > pages || !isRight)) {
      throw new ProtocolError('manifest_invalid', 'there are other entries than were announced');
    }
  }

  handleData(body: Uint8Array, events: ReceiveEvent[], outbox: Outbox): void {
    const piece: Piece = { bytes: body, at: 0 };
    while (piece.at < body.length) {
      if (this.#requests.next === undefined) {
        throw new ProtocolError('chunk_unexpected', 'nothing is to come');
      }
      const header = this.#reader.readHeader(piece);
      if (header !== undefined) {
        this.#checkExpected(header);
      }
      const record = this.#reader.readBody(piece);
      const run = this.#requests.next;
      if (record !== undefined) {
        this.#takeRecord(record, run, events, outbox);
      }
    }
  }

  // Before a byte of it is kept: is this the next chunk that was asked for?
  #checkExpected(header: RecordHeader): void {
    const run = this.#requests.next;
    const fits =
      header.entry === run?.entry &&
      header.chunk === run.start &&
      header.len === chunkLen(run.size, header.chunk);
    if (!fits) {
      throw new ProtocolError('chunk_unexpected', 'a chunk that is not the next one');
    }
    this.#received += header.len;
    if (this.#received > this.granted) {
      throw new ProtocolError('frame_invalid', 'more content than was allowed');
    }
  }

  #takeRecord(record: Record, run: Expected, events: ReceiveEvent[], outbox: Outbox): void {
    run.start += 1;
    const isOver = run.start === run.end;
    const chunk = new SealedChunk(
      record.header,
      isOver && run.lastOfEntry,
      this.#cipherOf(run),
      record.sealed,
    );
    events.push({ type: 'chunk', chunk });
    if (isOver) {
      this.#requests.pop();
      this.grantPages(outbox);
      this.giveOut(events);
      this.finishCheck(events);
    }
  }

  #cipherOf({ request, entry }: Expected): FileCipher {
    if (this.#cipher?.request !== request || this.#cipher.entry !== entry) {
      const cipher = new FileCipher(this.provider, this.session, request, entry);
      this.#cipher = { request, entry, cipher };
    }
    return this.#cipher.cipher;
  }

  plan(wants: readonly Want[], outbox: Outbox): void {
    const page = this.#unplanned.shift();
    if (page === undefined) {
      return;
    }
    const sizeOf = (entry: number): number => page.sizes[entry - page.first_entry] ?? 0;
    for (const message of this.#requests.ask(wants, sizeOf, this.#pagesPlanned)) {
      outbox.pushControl(this.channel, encodeReceiverMessage(message));
    }
    this.#pagesPlanned += 1;
    this.grantPages(outbox);
  }

  // One past the last page that may be open, behind those whose content has all come.
  #pagesOpenTo(): number {
    return (this.#requests.next?.page ?? this.#pagesPlanned) + PAGE_WINDOW;
  }

  grantPages(outbox: Outbox): void {
    // A page that is only listed has no content to wait for.
    const granted = this.listing ? this.#pagesReceived + PAGE_WINDOW : this.#pagesOpenTo();
    // News of half a window is worth a message.
    if (granted >= this.#pagesGranted + PAGE_WINDOW / 2) {
      this.#pagesGranted = granted;
      const message = encodeReceiverMessage({ type: 'pages', up_to: granted });
      outbox.pushControl(this.channel, message);
    }
  }

  hasNews(): boolean {
    return differ(this.durable, this.#reported) || differ(this.chosen, this.#chosenTold);
  }

  report(outbox: Outbox, now: number): void {
    if (differ(this.chosen, this.#chosenTold)) {
      this.#chosenTold = this.chosen;
      const message = encodeReceiverMessage({ type: 'chosen', ...this.chosen });
      outbox.pushControl(this.channel, message);
    }
    this.granted = this.written + CREDIT_WINDOW;
    this.#reported = this.durable;
    this.reportedAt = now;
    const message = encodeReceiverMessage({
      type: 'progress',
      credit: this.granted,
      durable_bytes: this.durable.bytes,
      durable_entries: this.durable.entries,
    });
    outbox.pushControl(this.channel, message);
  }

  finishCheck(events: ReceiveEvent[]): void {
    const { pages, complete } = this.#totals;
    if (!complete) {
      return;
    }
    if (this.listing) {
      if (this.#pagesReceived === pages && !this.#allListed) {
        this.#allListed = true;
        events.push({ type: 'all_listed' });
      }
      return;
    }
    const isOver = this.#pagesPlanned === pages && this.#requests.next === undefined;
    if (isOver && !this.#allReceived) {
      this.#allReceived = true;
      events.push({ type: 'all_received' });
    }
  }
}
