// Millions of numbers and names in a few buffers that grow: as objects they would be ten times as large.
import { decodeText } from '../../protocol/bytes';

const FIRST_LEN = 1024;

type Numbers = Uint8Array | Uint32Array | Float64Array;

/** One number an entry. */
export class Column<Kind extends Numbers> {
  readonly #Kind: new (length: number) => Kind;
  #values: Kind;
  #length = 0;

  constructor(Kind: new (length: number) => Kind) {
    this.#Kind = Kind;
    this.#values = new Kind(FIRST_LEN);
  }

  get length(): number {
    return this.#length;
  }

  /** Adds a number, and gives its place. */
  push(value: number): number {
    if (this.#length === this.#values.length) {
      const grown = new this.#Kind(this.#length * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#length] = value;
    this.#length += 1;
    return this.#length - 1;
  }

  /** The number at a place; 0 beyond the last one. */
  get(at: number): number {
    return this.#values[at] ?? 0;
  }

  set(at: number, value: number): void {
    this.#values[at] = value;
  }
}

/** One name an entry, as UTF-8. */
export class Names {
  #bytes = new Uint8Array(FIRST_LEN);
  #length = 0;
  // A name ends where the next one begins. As doubles, because all names may have more than 4 GiB.
  readonly #starts = new Column(Float64Array);

  push(name: Uint8Array): void {
    if (this.#length + name.length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + name.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes.set(name, this.#length);
    this.#starts.push(this.#length);
    this.#length += name.length;
  }

  get(at: number): string {
    const next = at + 1 < this.#starts.length ? this.#starts.get(at + 1) : this.#length;
    return decodeText(this.#bytes.subarray(this.#starts.get(at), next)) ?? '';
  }
}
