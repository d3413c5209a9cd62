// Which rows of a long list are in sight. Browsers make no box higher than some 17 million pixels, and a million rows
// are higher: the box is then lower than the rows, a step of the wheel still moves by its own pixels, and a drag of
// the bar by the whole list's.

/** Higher boxes than this are not made by every browser. */
const HIGHEST = 8_000_000;

/** The rows in sight, from `first` to before `end`, and where row 0 would be in the box. */
export interface Sight {
  /** The first row to draw. */
  first: number;
  /** The one after the last. */
  end: number;
  /** The top of row 0 in the box, in pixels; far above it in a long list. */
  origin: number;
}

/** What is in sight of a list with rows of one height. */
export class Scroll {
  /** Rows in all. */
  #count = 0;
  readonly #rowHeight: number;
  #viewHeight = 0;
  /** Where the box is scrolled to. */
  #boxTop = 0;
  /** Where that is among all rows, in pixels. */
  #top = 0;

  constructor(rowHeight: number) {
    this.#rowHeight = rowHeight;
  }

  /** The height of the box. */
  get boxHeight(): number {
    return Math.min(this.#height, HIGHEST);
  }

  /** Where the box ought to be scrolled to; other than where it is when a jump was asked for or an edge came early. */
  get boxTop(): number {
    return this.#boxTop;
  }

  /** What to draw, with a few rows more on both sides. */
  get sight(): Sight {
    const spare = 4;
    const first = Math.max(0, Math.floor(this.#top / this.#rowHeight) - spare);
    const end = Math.ceil((this.#top + this.#viewHeight) / this.#rowHeight) + spare;
    return { first, end: Math.min(this.#count, end), origin: this.#boxTop - this.#top };
  }

  /** The list or the window got another size. */
  resize(count: number, viewHeight: number): void {
    this.#count = count;
    this.#viewHeight = viewHeight;
    this.#moveTo(this.#top);
  }

  /** The box was scrolled by the person. */
  scrolled(boxTop: number): void {
    const moved = boxTop - this.#boxTop;
    const jumped = Math.abs(moved) > 4 * this.#viewHeight;
    this.#boxTop = boxTop;
    if (this.#height === this.boxHeight) {
      this.#top = boxTop;
    } else if (jumped || boxTop <= 0 || boxTop >= this.#boxRange) {
      const edge = !jumped && this.#top + moved > 0 && this.#top + moved < this.#range;
      this.#moveTo(edge ? this.#top + moved : (boxTop / this.#boxRange) * this.#range);
    } else {
      this.#top = Math.min(this.#range, Math.max(0, this.#top + moved));
    }
  }

  /** Scrolls as little as it must so that this row is whole in sight. */
  reveal(row: number): void {
    const top = row * this.#rowHeight;
    const bottom = top + this.#rowHeight;
    if (top < this.#top) {
      this.#moveTo(top);
    } else if (bottom > this.#top + this.#viewHeight) {
      this.#moveTo(bottom - this.#viewHeight);
    }
  }

  #moveTo(top: number): void {
    this.#top = Math.min(this.#range, Math.max(0, top));
    this.#boxTop = this.#range === 0 ? 0 : Math.round((this.#top / this.#range) * this.#boxRange);
    if (this.#height === this.boxHeight) {
      this.#top = this.#boxTop;
    } else if (this.#boxTop === 0 || this.#boxTop === this.#boxRange) {
      // The box is at its end, so the rows must be: a pixel of it is more than one of theirs.
      this.#top = this.#boxTop === 0 ? 0 : this.#range;
    }
  }

  get #height(): number {
    return this.#count * this.#rowHeight;
  }

  get #range(): number {
    return Math.max(0, this.#height - this.#viewHeight);
  }

  get #boxRange(): number {
    return Math.max(0, this.boxHeight - this.#viewHeight);
  }
}
