// Control messages: what the two sessions say to each other beside the content, each sealed on its own.
import {
  type Code,
  type EntryFailure,
  MAX_CONTROL_LEN,
  MAX_PAGE_ENTRIES,
  MAX_PAGE_LEN,
  MAX_WANT_ITEMS,
  type ReceiverMessage,
  type SenderMessage,
  type WantItem,
} from './bindings';
import { parseCode } from './error';
import { UNREADABLE, decodeUnreadable } from './manifest';
import { Reader, Writer } from './wire';

const MAX_CODE_LEN = 64;
const CHANGED = 255;

/** The stable code of a failure. */
export function failureCode(failure: EntryFailure): Code {
  return failure === 'changed' ? 'source_changed' : 'source_unreadable';
}

/** The message's plaintext, at most {@link MAX_CONTROL_LEN} bytes. */
export function encodeReceiverMessage(message: ReceiverMessage): Uint8Array {
  const out = new Writer();
  switch (message.type) {
    case 'pages':
      return out.u8(1).varint(message.up_to).view();
    case 'want':
      out.u8(2).varint(message.request).varint(message.items.length);
      for (const item of message.items) {
        if (item.type === 'whole') {
          out.u8(0).varint(item.first).varint(item.count);
        } else {
          out.u8(1).varint(item.entry).varint(item.first).varint(item.count);
        }
      }
      return out.view();
    case 'progress':
      out.u8(3).varint(message.credit);
      return out.varint(message.durable_bytes).varint(message.durable_entries).view();
    case 'done':
      return out.u8(4).varint(message.bytes).varint(message.entries).view();
    case 'alive':
      return out.u8(5).view();
    case 'bye':
      return out.u8(6).text(message.code).view();
    case 'chosen':
      return out.u8(7).varint(message.bytes).varint(message.entries).view();
  }
}

/** Reads what {@link encodeReceiverMessage} wrote; anything else is `frame_invalid`. */
export function decodeReceiverMessage(bytes: Uint8Array): ReceiverMessage {
  const reader = openControl(bytes);
  const message = readReceiverMessage(reader);
  reader.end();
  return message;
}

function readReceiverMessage(reader: Reader): ReceiverMessage {
  switch (reader.u8()) {
    case 1:
      return { type: 'pages', up_to: reader.varint32() };
    case 2:
      return { type: 'want', request: reader.varint32(), items: decodeItems(reader) };
    case 3:
      return {
        type: 'progress',
        credit: reader.varint(),
        durable_bytes: reader.varint(),
        durable_entries: reader.varint(),
      };
    case 4:
      return { type: 'done', bytes: reader.varint(), entries: reader.varint() };
    case 5:
      return { type: 'alive' };
    case 6:
      return { type: 'bye', code: decodeCode(reader) };
    case 7:
      return { type: 'chosen', bytes: reader.varint(), entries: reader.varint() };
    default:
      throw reader.refuse('a message of no known kind');
  }
}

/** The message's plaintext, at most {@link MAX_CONTROL_LEN} bytes. */
export function encodeSenderMessage(message: SenderMessage): Uint8Array {
  const out = new Writer();
  switch (message.type) {
    case 'page':
      out.u8(1).varint(message.index).varint(message.first_entry);
      return out.bytes(message.encoded).view();
    case 'totals':
      out.u8(2).varint(message.pages).varint(message.entries).varint(message.bytes);
      return out.varint(message.unreadable).flag(message.complete).view();
    case 'entry_failed':
      out.u8(3).varint(message.request).varint(message.entry);
      return out
        .u8(message.failure === 'changed' ? CHANGED : UNREADABLE.indexOf(message.failure))
        .view();
    case 'done_heard':
      return out.u8(4).view();
    case 'alive':
      return out.u8(5).view();
    case 'bye':
      return out.u8(6).text(message.code).view();
    case 'paused':
      return out.u8(7).flag(message.paused).view();
  }
}

/** Reads what {@link encodeSenderMessage} wrote; anything else is `frame_invalid`. */
export function decodeSenderMessage(bytes: Uint8Array): SenderMessage {
  const reader = openControl(bytes);
  const message = readSenderMessage(reader);
  reader.end();
  return message;
}

function readSenderMessage(reader: Reader): SenderMessage {
  switch (reader.u8()) {
    case 1:
      return {
        type: 'page',
        index: reader.varint32(),
        first_entry: reader.varint32(),
        encoded: reader.bytes(MAX_PAGE_LEN),
      };
    case 2:
      return {
        type: 'totals',
        pages: reader.varint32(),
        entries: reader.varint(),
        bytes: reader.varint(),
        unreadable: reader.varint(),
        complete: reader.flag(),
      };
    case 3:
      return {
        type: 'entry_failed',
        request: reader.varint32(),
        entry: reader.varint32(),
        failure: decodeFailure(reader),
      };
    case 4:
      return { type: 'done_heard' };
    case 5:
      return { type: 'alive' };
    case 6:
      return { type: 'bye', code: decodeCode(reader) };
    case 7:
      return { type: 'paused', paused: reader.flag() };
    default:
      throw reader.refuse('a message of no known kind');
  }
}

function openControl(bytes: Uint8Array): Reader {
  const reader = new Reader(bytes, 'frame_invalid');
  if (bytes.length > MAX_CONTROL_LEN) {
    throw reader.refuse('a message is too long');
  }
  return reader;
}

function decodeFailure(reader: Reader): EntryFailure {
  const byte = reader.u8();
  return byte === CHANGED ? 'changed' : decodeUnreadable(reader, byte);
}

// A code of a later version is still a goodbye.
function decodeCode(reader: Reader): Code {
  return parseCode(reader.text(MAX_CODE_LEN)) ?? 'peer_left';
}

function decodeItems(reader: Reader): WantItem[] {
  const count = reader.varint();
  if (count > MAX_WANT_ITEMS) {
    throw reader.refuse('more is asked for at once than may be');
  }
  const items: WantItem[] = [];
  let whole = 0;
  for (let at = 0; at < count; at += 1) {
    const item = decodeItem(reader);
    whole += item.type === 'whole' ? item.count : 0;
    if (item.count === 0 || item.first + item.count > 0xffff_ffff || whole > MAX_PAGE_ENTRIES) {
      throw reader.refuse('a run is empty or too long');
    }
    items.push(item);
  }
  return items;
}

function decodeItem(reader: Reader): WantItem {
  switch (reader.u8()) {
    case 0:
      return { type: 'whole', first: reader.varint32(), count: reader.varint32() };
    case 1:
      return {
        type: 'part',
        entry: reader.varint32(),
        first: reader.varint32(),
        count: reader.varint32(),
      };
    default:
      throw reader.refuse('an item of no known kind');
  }
}
