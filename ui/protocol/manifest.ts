// The manifest: what a share holds, in pages that are read one by one.
import {
  type Entry,
  type EntryKind,
  MAX_FILE_SIZE,
  MAX_PAGE_ENTRIES,
  MAX_PAGE_LEN,
  MAX_PATH_LEN,
  MAX_TARGET_LEN,
  type Unreadable,
} from './bindings';
import { concat, decodeText, encodeText, isCharBoundary } from './bytes';
import { parsePath } from './path';
import { Reader, Writer } from './wire';

/** The reasons why an entry is listed and not sent, in the order of the bytes that stand for them. */
export const UNREADABLE: readonly Unreadable[] = ['denied', 'special', 'name', 'failed'];

const KIND_FILE = 0;
const KIND_EXECUTABLE = 1;
const KIND_DIRECTORY = 2;
const KIND_SYMLINK = 3;
const KIND_UNREADABLE = 4;

/** The bytes of content that this entry has: a file's size, else 0. */
export function entrySize(entry: Entry): number {
  return entry.kind.type === 'file' ? entry.kind.size : 0;
}

/** Encodes entries into pages, as many into one as fit. */
export class PageBuilder {
  #body = new Writer();
  #count = 0;
  #last = new Uint8Array();

  /** How many entries are in the page. */
  get length(): number {
    return this.#count;
  }

  /** Adds `entry`, or returns false and leaves the page as it is if it is full. */
  push(entry: Entry): boolean {
    const before = this.#body.length;
    const path = encodeText(entry.path);
    encodeEntry(entry, path, this.#last, this.#body);
    // Two bytes are the count's varint.
    if (this.#count === MAX_PAGE_ENTRIES || this.#body.length + 2 > MAX_PAGE_LEN) {
      this.#body.truncate(before);
      return false;
    }
    this.#count += 1;
    this.#last = path;
    return true;
  }

  /** The encoded page; the builder is empty again. */
  take(): Uint8Array {
    const page = concat(new Writer().varint(this.#count).view(), this.#body.view());
    this.#body.truncate(0);
    this.#count = 0;
    this.#last = new Uint8Array();
    return page;
  }
}

function encodeEntry(entry: Entry, path: Uint8Array, last: Uint8Array, out: Writer): void {
  let shared = 0;
  while (shared < path.length && path[shared] === last[shared]) {
    shared += 1;
  }
  while (!isCharBoundary(path, shared)) {
    shared -= 1;
  }
  out.u8(kindByte(entry.kind)).varint(shared).bytes(path.subarray(shared));
  out.signed(entry.mtime.seconds).varint(entry.mtime.nanos);
  switch (entry.kind.type) {
    case 'file':
      out.varint(entry.kind.size);
      break;
    case 'directory':
      break;
    case 'symlink':
      out.text(entry.kind.target);
      break;
    case 'unreadable':
      out.u8(UNREADABLE.indexOf(entry.kind.reason));
  }
}

function kindByte(kind: EntryKind): number {
  switch (kind.type) {
    case 'file':
      return kind.executable ? KIND_EXECUTABLE : KIND_FILE;
    case 'directory':
      return KIND_DIRECTORY;
    case 'symlink':
      return KIND_SYMLINK;
    case 'unreadable':
      return KIND_UNREADABLE;
  }
}

/** Decodes one page. Nothing of a bad one is given out: it is `manifest_invalid`. */
export function decodePage(page: Uint8Array): Entry[] {
  const reader = new Reader(page, 'manifest_invalid');
  if (page.length > MAX_PAGE_LEN) {
    throw reader.refuse('a page is too long');
  }
  const count = reader.varint();
  if (count > MAX_PAGE_ENTRIES) {
    throw reader.refuse('there are more entries than a page can have');
  }
  const entries: Entry[] = [];
  let last: Uint8Array = new Uint8Array();
  for (let at = 0; at < count; at += 1) {
    const kind = reader.u8();
    const path = decodePath(reader, last);
    entries.push(decodeEntry(reader, kind, path));
    last = path;
  }
  reader.end();
  return entries;
}

function decodePath(reader: Reader, last: Uint8Array): Uint8Array {
  const shared = reader.varint();
  if (shared > last.length || !isCharBoundary(last, shared)) {
    throw reader.refuse('a path takes over what the one before does not have');
  }
  const rest = reader.bytes(MAX_PATH_LEN);
  return shared === 0 ? rest : concat(last.subarray(0, shared), rest);
}

function decodeEntry(reader: Reader, kind: number, pathBytes: Uint8Array): Entry {
  // What was taken over is whole characters, so this is UTF-8 if the rest is.
  const text = decodeText(pathBytes);
  if (text === undefined) {
    throw reader.refuse('text is not UTF-8');
  }
  const path = parsePath(text);
  const mtime = { seconds: reader.signed(), nanos: reader.varint32() };
  if (mtime.nanos >= 1_000_000_000) {
    throw reader.refuse('a time is malformed');
  }
  return { path, kind: decodeKind(reader, kind), mtime };
}

function decodeKind(reader: Reader, kind: number): EntryKind {
  switch (kind) {
    case KIND_FILE:
    case KIND_EXECUTABLE: {
      const size = reader.varint();
      if (size > MAX_FILE_SIZE) {
        throw reader.refuse('a file is larger than any file can be');
      }
      return { type: 'file', size, executable: kind === KIND_EXECUTABLE };
    }
    case KIND_DIRECTORY:
      return { type: 'directory' };
    case KIND_SYMLINK:
      return { type: 'symlink', target: reader.text(MAX_TARGET_LEN) };
    case KIND_UNREADABLE:
      return { type: 'unreadable', reason: decodeUnreadable(reader, reader.u8()) };
    default:
      throw reader.refuse('an entry is of no known kind');
  }
}

/** The reason that this byte stands for; there may be none. */
export function decodeUnreadable(reader: Reader, byte: number): Unreadable {
  const reason = UNREADABLE[byte];
  if (reason === undefined) {
    throw reader.refuse('a reason has no meaning');
  }
  return reason;
}
