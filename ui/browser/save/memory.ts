// A sink that is memory, for pages that have nothing else: blobs, which a browser may put on its disk by itself.
import type { Bytes } from '../../protocol/bytes';
import type { Handover } from '../page';
import type { Sink } from './archive';
import { release } from './release';

// Bytes that are put into a blob at once: a blob for each chunk is costly, and its bytes leave the page's memory.
const PIECE = 8 * 1024 * 1024;

/** See above; the file is called `name`. */
export class MemorySink implements Sink {
  readonly seeks = false;
  readonly #name: string;
  #blobs: Blob[] = [];
  #bytes: Bytes[] = [];
  #length = 0;

  constructor(name: string) {
    this.#name = name;
  }

  async write(_at: number, bytes: Bytes): Promise<void> {
    this.#bytes.push(bytes);
    this.#length += bytes.length;
    if (this.#length >= PIECE) {
      this.#pack();
    }
  }

  async end(): Promise<void> {
    this.#pack();
  }

  async handover(): Promise<Handover> {
    const file = new Blob(this.#blobs, { type: 'application/octet-stream' });
    return { name: this.#name, url: URL.createObjectURL(file) };
  }

  async close(): Promise<void> {
    // Kept until it is discarded: what is handed over may be clicked again.
  }

  async discard(): Promise<void> {
    [this.#blobs, this.#bytes, this.#length] = [[], [], 0];
  }

  #pack(): void {
    if (this.#length > 0) {
      this.#blobs.push(new Blob(this.#bytes));
      this.#bytes.forEach(release);
      [this.#bytes, this.#length] = [[], 0];
    }
  }
}
