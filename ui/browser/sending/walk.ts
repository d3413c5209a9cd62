// The walk: lists what is shared into a catalog, depth first, names in order, a folder before what is in it.
import type { EntryKind, Mtime, Unreadable } from '../../protocol/bindings';
import { MAX_DEPTH, MAX_FILE_SIZE, MAX_PATH_LEN } from '../../protocol/bindings';
import { encodeText } from '../../protocol/bytes';
import { ProtocolError } from '../../protocol/error';
import { type RelPath, parsePath } from '../../protocol/path';
import { SLICE_MS, breathe, now } from '../clock';
import type { Catalog } from './catalog';
import { failureOf } from './failure';
import type { SourceFile, SourceFolder, SourceItem } from './source';

// How long a page that is not full may wait before receivers see it.
const PUBLISH_EVERY_MS = 100;
// Files that are looked at side by side: each is a question to the browser.
const ASK_AT_ONCE = 64;
// A folder deeper or longer than this has no room for what is in it.
const ROOM_FOR_NAME = 256;
const SHOWN_OF_LONG = 40;

/** Lists `roots` into `catalog`, until all are listed or `signal` says that nobody wants them any more. */
export async function walk(
  roots: readonly SourceItem[],
  catalog: Catalog,
  signal: AbortSignal,
): Promise<void> {
  const walk = new Walk(catalog, signal);
  const taken = new Set<string>();
  for (const root of roots) {
    // A disk's own root has no name.
    const name = unusedName(root.name.replace(/^[./\\]*$/, 'files'), taken);
    taken.add(name);
    await walk.visit(undefined, name, root);
  }
  if (!signal.aborted) {
    catalog.complete();
  }
}

class Walk {
  readonly #catalog: Catalog;
  readonly #signal: AbortSignal;
  // Of folders whose time no browser tells: one for the whole share, so that no receiver takes them for changed.
  readonly #begun = Date.now();
  #published = now();
  #rested = now();

  constructor(catalog: Catalog, signal: AbortSignal) {
    this.#catalog = catalog;
    this.#signal = signal;
  }

  async visit(parent: RelPath | undefined, name: string, item: SourceItem): Promise<void> {
    const path = this.#place(parent, name);
    if (path === undefined) {
      return;
    }
    if (item.kind === 'file') {
      await this.#add(path, item, await look(item));
    } else {
      await this.#visitFolder(path, item);
    }
  }

  async #visitFolder(path: RelPath, folder: SourceFolder): Promise<void> {
    const isTooDeep =
      path.split('/').length >= MAX_DEPTH || encodeText(path).length + ROOM_FOR_NAME > MAX_PATH_LEN;
    if (isTooDeep) {
      this.#unreadable(path, 'name');
      return;
    }
    let items: SourceItem[];
    try {
      items = [...(await folder.list())];
    } catch (error) {
      this.#unreadable(path, reason(error));
      return;
    }
    const mtime = toMtime((await folder.changedAt()) ?? this.#begun);
    this.#catalog.add({ path, kind: { type: 'directory' }, mtime });
    items.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (let at = 0; at < items.length && !this.#signal.aborted;) {
      const files: SourceFile[] = [];
      for (const item of items.slice(at, at + ASK_AT_ONCE)) {
        if (item.kind === 'folder') {
          break;
        }
        files.push(item);
      }
      const next = items[at + files.length];
      at += files.length;
      const looks = await Promise.all(files.map(look));
      for (const [index, file] of files.entries()) {
        const place = this.#place(path, file.name);
        const seen = looks[index];
        if (place !== undefined && seen !== undefined) {
          await this.#add(place, file, seen);
        }
      }
      if (next?.kind === 'folder') {
        at += 1;
        await this.visit(path, next.name, next);
      }
    }
  }

  // Where an item is in the share; one whose name can't be there is listed as such, under as much of it as can.
  #place(parent: RelPath | undefined, name: string): RelPath | undefined {
    const join = (name: string): RelPath | undefined => {
      try {
        return parsePath(parent === undefined ? name : `${parent}/${name}`);
      } catch (error) {
        if (error instanceof ProtocolError) {
          return undefined;
        }
        throw error;
      }
    };
    // What a browser can't say in Unicode it has replaced already.
    const path = join(name);
    if (path === undefined) {
      const shown = [...name.replace(/[\0/]/g, '\ufffd')].slice(0, SHOWN_OF_LONG);
      const instead = join(shown.join(''));
      if (instead !== undefined) {
        this.#unreadable(instead, 'name');
      }
    }
    return path;
  }

  async #add(path: RelPath, source: SourceFile, seen: Seen): Promise<void> {
    if (typeof seen === 'string') {
      this.#unreadable(path, seen);
    } else {
      const kind: EntryKind = { type: 'file', size: seen.size, executable: false };
      const mtime = toMtime(seen.changedAt);
      this.#catalog.add({ path, kind, mtime }, { source, changedAt: seen.changedAt });
    }
    await this.#rest();
  }

  #unreadable(path: RelPath, reason: Unreadable): void {
    const mtime = { seconds: 0, nanos: 0 };
    this.#catalog.add({ path, kind: { type: 'unreadable', reason }, mtime });
  }

  async #rest(): Promise<void> {
    const at = now();
    if (at - this.#published >= PUBLISH_EVERY_MS) {
      this.#published = at;
      this.#catalog.publish();
    }
    if (at - this.#rested >= SLICE_MS) {
      await breathe();
      this.#rested = now();
    }
  }
}

type Seen = { size: number; changedAt: number } | Unreadable;

async function look(source: SourceFile): Promise<Seen> {
  try {
    const { size, lastModified } = await source.open();
    return size > MAX_FILE_SIZE ? 'failed' : { size, changedAt: lastModified };
  } catch (error) {
    return reason(error);
  }
}

// A file that can't even be looked at is not one that was changed.
function reason(error: unknown): Unreadable {
  const failure = failureOf(error);
  return failure === 'changed' ? 'denied' : failure;
}

function toMtime(milliseconds: number): Mtime {
  const whole = Math.floor(milliseconds);
  const seconds = Math.floor(whole / 1000);
  return { seconds, nanos: (whole - seconds * 1000) * 1_000_000 };
}

/** `name`, or the same with a number before its extension. */
export function unusedName(name: string, taken: ReadonlySet<string>): string {
  const dot = name.lastIndexOf('.');
  const at = dot > 0 && encodeText(name.slice(dot)).length <= 16 ? dot : name.length;
  let unused = name;
  for (let number = 2; taken.has(unused); number += 1) {
    unused = `${name.slice(0, at)} (${number.toString()})${name.slice(at)}`;
  }
  return unused;
}
