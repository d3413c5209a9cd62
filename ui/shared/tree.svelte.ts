// The rows of a tree that is kept elsewhere: asked for in pages as they come into sight, and kept while they are there.

/** What is offered, row by row. */
export interface TreeRow {
  /** Its number, to open or tick it by. */
  node: number;
  /** How many folders it is in. */
  depth: number;
  /** The number of the row of the folder that it is in, or `null`. */
  parent: number | null;
  /** Its name, without those folders. */
  name: string;
  /** What it is. */
  kind: 'file' | 'folder' | 'link' | 'unreadable';
  /** Bytes; of a folder, those of all within. */
  bytes: number;
  /** Files within a folder, at any depth. */
  files: number;
  /** Whether it is a folder that is open. */
  open: boolean;
  /** Whether it is ticked. */
  tick: 'all' | 'some' | 'none';
}

/** Where the rows come from, and where they are opened and ticked. */
export interface TreeSource {
  /** Some rows, and how many there are in all. */
  rows: (from: number, count: number) => Promise<{ total: number; from: number; rows: TreeRow[] }>;
  /** Opens or closes a folder. */
  open: (node: number, open: boolean) => Promise<void>;
  /** Ticks an entry with all that is in it, or unticks it. */
  tick: (node: number, ticked: boolean) => Promise<void>;
}

/** Rows that are asked for at once. */
const PAGE = 128;

/** Pages that are kept; those longest out of sight go. */
const KEPT_PAGES = 24;

/** The rows that are known, of a tree that may have millions. */
export class TreeRows {
  /** All rows that there are, with the folders that are open. */
  total = $state(0);
  /** Whether any answer has come. */
  known = $state(false);
  /** Pages by their number; an old one stays in sight until its successor is here. */
  #pages = $state.raw<ReadonlyMap<number, readonly TreeRow[]>>(new Map());
  readonly #source: TreeSource;
  readonly #asked = new Map<number, number>();
  #generation = 0;
  #stale = new Set<number>();

  constructor(source: TreeSource) {
    this.#source = source;
  }

  /** A row, if it is known. */
  row(index: number): TreeRow | undefined {
    return this.#pages.get(Math.floor(index / PAGE))?.[index % PAGE];
  }

  /** Sees to it that these rows will be known. */
  async want(first: number, end: number): Promise<void> {
    const wanted: Promise<void>[] = [];
    for (let page = Math.floor(first / PAGE); page * PAGE < Math.max(end, first + 1); page += 1) {
      wanted.push(this.#load(page));
    }
    await Promise.all(wanted);
  }

  /** What is kept may be wrong: asks anew for these rows, and for others when they come into sight. */
  async refresh(first: number, end: number): Promise<void> {
    this.#generation += 1;
    this.#stale = new Set(this.#pages.keys());
    await this.want(first, end);
  }

  /** Opens or closes a folder. */
  async open(row: TreeRow, open: boolean): Promise<void> {
    await this.#source.open(row.node, open);
  }

  /** Ticks or unticks what a row stands for: what is ticked in part becomes whole. */
  async flip(row: TreeRow): Promise<void> {
    await this.#source.tick(row.node, row.tick !== 'all');
  }

  async #load(page: number): Promise<void> {
    const fresh = this.#pages.has(page) && !this.#stale.has(page);
    const generation = this.#generation;
    if (fresh || this.#asked.get(page) === generation) {
      return;
    }
    this.#asked.set(page, generation);
    try {
      const answer = await this.#source.rows(page * PAGE, PAGE);
      if (this.#asked.get(page) !== generation) {
        return;
      }
      this.#stale.delete(page);
      this.#keep(page, answer.rows);
      this.total = answer.total;
      this.known = true;
    } finally {
      if (this.#asked.get(page) === generation) {
        this.#asked.delete(page);
      }
    }
  }

  #keep(page: number, rows: readonly TreeRow[]): void {
    const pages = new Map(this.#pages);
    pages.delete(page);
    pages.set(page, rows);
    for (const oldest of pages.keys()) {
      if (pages.size <= KEPT_PAGES) {
        break;
      }
      pages.delete(oldest);
    }
    this.#pages = pages;
  }
}
