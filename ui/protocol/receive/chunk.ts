// A chunk on its way to the disk: as it came, with what it takes to open it.
import type { RecordHeader } from '../bindings';
import type { Bytes } from '../bytes';
import type { FileCipher } from '../crypto';
import { ProtocolError } from '../error';

/** A chunk as it came; it is the one that was asked for. */
export class SealedChunk {
  readonly #cipher: FileCipher;
  readonly #sealed: Bytes;

  constructor(
    /** Which chunk of which entry this is. */
    readonly header: RecordHeader,
    /** Whether nothing more of this entry is expected. */
    readonly lastOfEntry: boolean,
    cipher: FileCipher,
    sealed: Bytes,
  ) {
    this.#cipher = cipher;
    this.#sealed = sealed;
  }

  /**
   * The plaintext. Several chunks may be opened at once. One that is `chunk_forged` ends the session: the driver
   * closes it with that code, and keeps nothing of this chunk or of those behind it.
   */
  async open(): Promise<Bytes> {
    const chunk = await this.#cipher.open(this.header, this.#sealed);
    if (chunk === undefined) {
      throw new ProtocolError('chunk_forged');
    }
    return chunk;
  }
}
