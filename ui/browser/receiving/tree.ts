// What a share offers, as a tree of a million entries of which some folders are open and some entries ticked.
//
// Names stand in one buffer, entries in columns, and every folder knows what it holds in sum and how many rows it shows,
// so that any part of the visible rows is found without a walk. Ticks are *flips*: an entry is ticked as its folder is,
// unless it flips that, for itself and all below it; so a click costs what it changes, and not what it covers.
import type { Entry } from '../../protocol/bindings';
import { encodeText } from '../../protocol/bytes';
import { entrySize } from '../../protocol/manifest';
import type { TreeRow } from '../../shared/tree.svelte';
import { Column, Names } from './columns';

const KINDS = ['file', 'folder', 'link', 'unreadable'] as const;
const FILE = KINDS.indexOf('file');
const FOLDER = KINDS.indexOf('folder');
/** The folder that all others are in, and its node. */
const ROOT = 0;
/** The number of an entry that is no folder. */
const NO_FOLDER = 0xffff_ffff;

/** Bytes, entries, and those of them that are files; differences may be below zero. */
export interface Sum {
  bytes: number;
  entries: number;
  files: number;
}

interface Folder {
  readonly node: number;
  /** Its place among its parent's folders. */
  readonly place: number;
  open: boolean;
  /** All below it, without itself. */
  readonly held: Sum;
  /** Of these, what is not ticked as it is itself. */
  differ: Sum;
  /** All below it that is no folder. */
  leafCount: number;
  /** How many flips are below it. */
  flips: number;
  /** The rows that it shows when it is open. */
  rows: number;
  readonly folders: number[];
  readonly leaves: number[];
  /** The places of the open ones among `folders`, in order. */
  readonly opened: number[];
}

// What is passed over, and what is still wanted, while rows are gathered.
interface Gathering {
  skip: number;
  take: number;
  // The number of the next row.
  next: number;
  rows: TreeRow[];
}

// The folder whose rows are gathered, as they need to know it.
interface Above {
  depth: number;
  ticked: boolean;
  // Its own row; the root has none.
  row: number | null;
}

function nothing(): Sum {
  return { bytes: 0, entries: 0, files: 0 };
}

function newFolder(node: number, place: number, open: boolean): Folder {
  return {
    node,
    place,
    open,
    held: nothing(),
    differ: nothing(),
    leafCount: 0,
    flips: 0,
    rows: 0,
    folders: [],
    leaves: [],
    opened: [],
  };
}

/** The tree; entries are only ever added. */
export class Tree {
  readonly #names = new Names();
  // One value a node: its kind, whether it is flipped, whether it is an entry (a folder that is known only from what is
  // in it is none yet), the number of the folder that it is in, its own number if it is a folder, and its bytes.
  readonly #kind = new Column(Uint8Array);
  readonly #flipped = new Column(Uint8Array);
  readonly #listed = new Column(Uint8Array);
  readonly #parent = new Column(Uint32Array);
  readonly #folder = new Column(Uint32Array);
  readonly #bytes = new Column(Float64Array);
  readonly #folders: Folder[] = [newFolder(ROOT, 0, true)];
  // Folders by the number of the one that they are in, and their name.
  readonly #byName = new Map<string, number>();
  // The folder that the last entry came into: the next one is most often there too.
  #last = { path: '', folder: ROOT };
  // What is to be flipped when it comes.
  readonly #awaited: Set<string>;

  /** An empty one, of which the paths in `flips` will be flipped when they come; the empty path is the whole. */
  constructor(flips: ReadonlySet<string> = new Set()) {
    this.#awaited = new Set(flips);
    this.#addNode('', FOLDER, ROOT, ROOT, 0, this.#awaited.delete(''));
    this.#listed.set(ROOT, 0);
  }

  /** Adds an entry. */
  push(entry: Entry): void {
    const { path, kind } = entry;
    const slash = path.lastIndexOf('/');
    const parent = this.#folderAt(slash === -1 ? '' : path.slice(0, slash));
    const name = path.slice(slash + 1);
    if (kind.type === 'directory') {
      const known = this.#find(parent, name);
      if (known !== undefined) {
        this.#list(known);
        return;
      }
    }
    const flipped = this.#awaited.size > 0 && this.#awaited.delete(path);
    this.#count(this.#add(parent, name, kindOf(entry), entrySize(entry), flipped), true);
  }

  /** How many entries there are. */
  get entries(): number {
    return this.#root.held.entries;
  }

  /** What of it is ticked. */
  chosen(): Sum {
    return this.#chosenBelow(this.#root, this.#isTicked(ROOT));
  }

  /** The name of the one file that is ticked, where it is one. */
  onlyFile(): string | undefined {
    let [folder, ticked] = [this.#root, this.#isTicked(ROOT)];
    for (;;) {
      const isTaken = (node: number): boolean => ticked !== (this.#flipped.get(node) === 1);
      const { files } = this.#chosenBelow(folder, ticked);
      const leaf = folder.leaves.find((node) => this.#kind.get(node) === FILE && isTaken(node));
      if (files !== 1 || leaf !== undefined) {
        return files === 1 && leaf !== undefined ? this.#names.get(leaf) : undefined;
      }
      const below = folder.folders
        .map((child) => this.#at(child))
        .find((child) => this.#chosenBelow(child, isTaken(child.node)).files === 1);
      if (below === undefined) {
        return undefined;
      }
      [folder, ticked] = [below, isTaken(below.node)];
    }
  }

  /** At most `count` of the visible rows, from the one numbered `from`. */
  rows(from: number, count: number): { total: number; from: number; rows: TreeRow[] } {
    const gathering: Gathering = { skip: from, take: count, next: 0, rows: [] };
    this.#gather(this.#root, { depth: 0, ticked: this.#isTicked(ROOT), row: null }, gathering);
    return { total: this.#root.rows, from, rows: gathering.rows };
  }

  /** Opens or closes a folder; anything else is left as it is. */
  open(node: number, open: boolean): void {
    const folder = this.#folders[this.#folderOf(node) ?? ROOT];
    if (folder === undefined || folder.node === ROOT || folder.open === open) {
      return;
    }
    folder.open = open;
    const parent = this.#at(this.#parent.get(node));
    const at = lowerBound(parent.opened, folder.place);
    parent.opened.splice(at, open ? 0 : 1, ...(open ? [folder.place] : []));
    this.#grow(parent, open ? folder.rows : -folder.rows);
  }

  /**
   * Ticks or unticks an entry with all that is in it.
   *
   * A folder follows what is in it: it is ticked when all of that is, and not when nothing of it is.
   */
  tick(node: number, ticked: boolean): void {
    if (!(node > ROOT && node < this.#kind.length)) {
      return;
    }
    this.#set(node, ticked);
    let folder = this.#at(this.#parent.get(node));
    while (folder.node !== ROOT) {
      const { differ, held } = folder;
      const isMixed = differ.entries !== 0 && differ.entries !== held.entries;
      if (!isMixed && folder.flips > 0) {
        const isChosen = this.#chosenBelow(folder, this.#isTicked(folder.node)).entries > 0;
        this.#set(folder.node, isChosen);
      }
      folder = this.#at(this.#parent.get(folder.node));
    }
  }

  /** Ticks or unticks everything, also what is still to come. */
  tickAll(ticked: boolean): void {
    this.#clear(this.#root);
    this.#awaited.clear();
    this.#flipped.set(ROOT, ticked ? 0 : 1);
  }

  /** The paths whose tick is not that of the folder they are in; the empty one where that is so of the whole. */
  flips(): Set<string> {
    const flips = new Set(this.#awaited);
    if (this.#flipped.get(ROOT) === 1) {
      flips.add('');
    }
    const folders = [this.#root];
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      if (folder.flips > 0) {
        const below = folder.folders.map((child) => this.#at(child));
        for (const node of [...below.map((child) => child.node), ...folder.leaves]) {
          if (this.#flipped.get(node) === 1) {
            flips.add(this.#path(node));
          }
        }
        folders.push(...below);
      }
    }
    return flips;
  }

  get #root(): Folder {
    return this.#at(ROOT);
  }

  #at(folder: number): Folder {
    const found = this.#folders[folder];
    if (found === undefined) {
      throw new RangeError('no such folder');
    }
    return found;
  }

  #folderOf(node: number): number | undefined {
    const isNode = node >= 0 && node < this.#folder.length;
    const folder = isNode ? this.#folder.get(node) : NO_FOLDER;
    return folder === NO_FOLDER ? undefined : folder;
  }

  #path(node: number): string {
    const names: string[] = [];
    for (let at = node; at !== ROOT; at = this.#at(this.#parent.get(at)).node) {
      names.push(this.#names.get(at));
    }
    return names.reverse().join('/');
  }

  // The folder with this path, made with all above it if it has not come yet.
  #folderAt(path: string): number {
    if (path === this.#last.path) {
      return this.#last.folder;
    }
    let folder = ROOT;
    for (const name of path.split('/').filter((part) => part !== '')) {
      let found = this.#find(folder, name);
      if (found === undefined) {
        const node = this.#add(folder, name, FOLDER, 0, false);
        this.#listed.set(node, 0);
        found = this.#folder.get(node);
      }
      folder = found;
    }
    this.#last = { path, folder };
    return folder;
  }

  #find(parent: number, name: string): number | undefined {
    return this.#byName.get(`${parent.toString()}/${name}`);
  }

  #addNode(
    name: string,
    kind: number,
    parent: number,
    folder: number,
    bytes: number,
    flipped: boolean,
  ): number {
    this.#names.push(encodeText(name));
    this.#flipped.push(flipped ? 1 : 0);
    this.#listed.push(1);
    this.#parent.push(parent);
    this.#folder.push(folder);
    this.#bytes.push(bytes);
    return this.#kind.push(kind);
  }

  #add(parent: number, name: string, kind: number, bytes: number, flipped: boolean): number {
    const own = kind === FOLDER ? this.#folders.length : NO_FOLDER;
    const node = this.#addNode(name, kind, parent, own, bytes, flipped);
    const above = this.#at(parent);
    if (own === NO_FOLDER) {
      above.leaves.push(node);
    } else {
      this.#folders.push(newFolder(node, above.folders.length, false));
      above.folders.push(own);
      this.#byName.set(`${parent.toString()}/${name}`, own);
    }
    this.#grow(above, 1);
    return node;
  }

  // Counts a new node in all folders that it is in; `isFresh` unless its flip is counted already.
  #count(node: number, isFresh: boolean): void {
    const own = this.#own(node);
    const leaves = this.#kind.get(node) === FOLDER ? 0 : 1;
    const flips = isFresh ? this.#flipped.get(node) : 0;
    let differs = this.#flipped.get(node) === 1;
    for (let at = node; at !== ROOT;) {
      const folder = this.#at(this.#parent.get(at));
      addTo(folder.held, own);
      folder.leafCount += leaves;
      folder.flips += flips;
      if (differs) {
        addTo(folder.differ, own);
      }
      at = folder.node;
      differs = differs !== (this.#flipped.get(at) === 1);
    }
  }

  // A folder that was known from what is in it is an entry from now on.
  #list(folder: number): void {
    const { node } = this.#at(folder);
    if (this.#listed.get(node) === 0) {
      this.#listed.set(node, 1);
      this.#count(node, false);
      if (this.#awaited.size > 0 && this.#awaited.delete(this.#path(node))) {
        this.#flip(node);
      }
    }
  }

  // What a node is by itself.
  #own(node: number): Sum {
    const files = this.#kind.get(node) === FILE ? 1 : 0;
    return { bytes: this.#bytes.get(node), entries: this.#listed.get(node), files };
  }

  // Adds to the rows that a folder shows, and to those of all that it is open in.
  #grow(folder: Folder, rows: number): void {
    for (let at = folder; ; at = this.#at(this.#parent.get(at.node))) {
      at.rows += rows;
      if (at.node === ROOT || !at.open) {
        return;
      }
    }
  }

  // Whether an entry itself is ticked.
  #isTicked(node: number): boolean {
    let ticked = this.#flipped.get(ROOT) === 0;
    for (let at = node; at !== ROOT; at = this.#at(this.#parent.get(at)).node) {
      ticked = ticked !== (this.#flipped.get(at) === 1);
    }
    return ticked;
  }

  // What is ticked below a folder that is itself `ticked`, or is not.
  #chosenBelow({ held, differ }: Folder, ticked: boolean): Sum {
    return ticked ? minus(held, differ) : { ...differ };
  }

  // Turns a node, and all below it, around.
  #flip(node: number): void {
    const before = this.#contribution(node);
    const flipped = 1 - this.#flipped.get(node);
    this.#flipped.set(node, flipped);
    this.#handUp(node, minus(this.#contribution(node), before), flipped === 1 ? 1 : -1);
  }

  // Makes a node and all below it ticked, or not.
  #set(node: number, ticked: boolean): void {
    const number = this.#folderOf(node);
    const folder = number === undefined ? undefined : this.#at(number);
    if (folder !== undefined && folder.flips > 0) {
      const before = this.#contribution(node);
      const { flips } = folder;
      this.#clear(folder);
      this.#handUp(node, minus(this.#contribution(node), before), -flips);
    }
    if (this.#isTicked(node) !== ticked) {
      this.#flip(node);
    }
  }

  // What below and with a node is not ticked as the folder that it is in.
  #contribution(node: number): Sum {
    const number = this.#folderOf(node);
    const folder = number === undefined ? newFolder(node, 0, false) : this.#at(number);
    if (this.#flipped.get(node) === 0) {
      return { ...folder.differ };
    }
    const all = minus(folder.held, folder.differ);
    addTo(all, this.#own(node));
    return all;
  }

  // Tells all folders above a node that its contribution, and the flips at and below it, have changed.
  #handUp(node: number, contribution: Sum, flips: number): void {
    let change = contribution;
    for (let at = node; at !== ROOT;) {
      const folder = this.#at(this.#parent.get(at));
      addTo(folder.differ, change);
      folder.flips += flips;
      at = folder.node;
      if (this.#flipped.get(at) === 1) {
        change = minus(nothing(), change);
      }
    }
  }

  // Takes all flips away below a folder; those above are to be told.
  #clear(top: Folder): void {
    const folders = [top];
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      if (folder.flips > 0) {
        folder.flips = 0;
        folder.differ = nothing();
        for (const leaf of folder.leaves) {
          this.#flipped.set(leaf, 0);
        }
        for (const number of folder.folders) {
          const child = this.#at(number);
          this.#flipped.set(child.node, 0);
          folders.push(child);
        }
      }
    }
  }

  // A share is at most 512 folders deep, and so is this.
  #gather(folder: Folder, above: Above, gathering: Gathering): void {
    const nodeOf = (child: number): number => this.#at(child).node;
    let from = 0;
    for (const place of folder.opened) {
      if (gathering.take === 0) {
        return;
      }
      this.#emit(folder.folders, from, place + 1, nodeOf, above, gathering);
      const child = this.#at(folder.folders[place] ?? ROOT);
      if (gathering.skip >= child.rows) {
        gathering.skip -= child.rows;
        gathering.next += child.rows;
      } else {
        const ticked = above.ticked !== (this.#flipped.get(child.node) === 1);
        const below = { depth: above.depth + 1, ticked, row: gathering.next - 1 };
        this.#gather(child, below, gathering);
      }
      from = place + 1;
    }
    this.#emit(folder.folders, from, folder.folders.length, nodeOf, above, gathering);
    const same = (leaf: number): number => leaf;
    this.#emit(folder.leaves, 0, folder.leaves.length, same, above, gathering);
  }

  #emit(
    numbers: readonly number[],
    from: number,
    end: number,
    nodeOf: (number: number) => number,
    above: Above,
    gathering: Gathering,
  ): void {
    const skipped = Math.min(gathering.skip, end - from);
    gathering.skip -= skipped;
    const taken = Math.min(gathering.take, end - from - skipped);
    gathering.take -= taken;
    for (let at = from + skipped; at < from + skipped + taken; at += 1) {
      gathering.rows.push(this.#row(nodeOf(numbers[at] ?? ROOT), above));
    }
    gathering.next += end - from;
  }

  #row(node: number, above: Above): TreeRow {
    const ticked = above.ticked !== (this.#flipped.get(node) === 1);
    const number = this.#folderOf(node);
    const folder = number === undefined ? undefined : this.#at(number);
    const row: TreeRow = {
      node,
      depth: above.depth,
      parent: above.row,
      name: this.#names.get(node),
      kind: KINDS[this.#kind.get(node)] ?? 'file',
      bytes: folder?.held.bytes ?? this.#bytes.get(node),
      files: folder?.leafCount ?? 0,
      open: folder?.open ?? false,
      tick: ticked ? 'all' : 'none',
    };
    if (folder !== undefined && folder.held.entries > 0) {
      const { entries } = this.#chosenBelow(folder, ticked);
      row.tick = entries === 0 ? 'none' : entries === folder.held.entries ? 'all' : 'some';
    }
    return row;
  }
}

function kindOf({ kind }: Entry): number {
  switch (kind.type) {
    case 'file':
      return FILE;
    case 'directory':
      return FOLDER;
    case 'symlink':
      return KINDS.indexOf('link');
    case 'unreadable':
      return KINDS.indexOf('unreadable');
  }
}

function addTo(sum: Sum, other: Sum): void {
  sum.bytes += other.bytes;
  sum.entries += other.entries;
  sum.files += other.files;
}

function minus(a: Sum, b: Sum): Sum {
  return {
    bytes: a.bytes - b.bytes,
    entries: a.entries - b.entries,
    files: a.files - b.files,
  };
}

// The first place in the ascending `numbers` whose number is not below `number`.
function lowerBound(numbers: readonly number[], number: number): number {
  let [low, high] = [0, numbers.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((numbers[middle] ?? 0) < number) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
