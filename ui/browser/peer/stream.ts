// Server-sent events (WHATWG HTML §9.2), read from bytes as they come. `EventSource` can't send a ticket.
import { ProtocolError } from '../../protocol/error';

/** The longest line and the most data of one event, in UTF-16 units; ours have some hundred. */
const MAX_LEN = 64 * 1024;

/** What a stream brings. */
export type Item =
  /** `name` is `message` where the event names none; `id` the last one that the stream told. */
  | { type: 'event'; name: string; data: string; id: string }
  /** How many milliseconds to wait before the stream is opened again. */
  | { type: 'retry'; ms: number }
  /** A line that says nothing but that the server is there. */
  | { type: 'comment' };

/** Reads a stream. */
export class EventReader {
  // Drops a byte order mark at the beginning, as the standard says.
  readonly #decoder = new TextDecoder();
  #line = '';
  // A line feed behind a carriage return belongs to it.
  #afterReturn = false;
  #name = '';
  #data: string | undefined;
  #id = '';

  /** Takes the next bytes, and gives what is whole by now. Throws `server_failed`: it is of no more use then. */
  handleBytes(bytes: Uint8Array): Item[] {
    let text = this.#decoder.decode(bytes, { stream: true });
    if (this.#afterReturn && text.startsWith('\n')) {
      text = text.slice(1);
      this.#afterReturn = false;
    }
    if (text !== '') {
      this.#afterReturn = text.endsWith('\r');
    }
    const lines = text.split(/\r\n|\n|\r/);
    const last = lines.pop() ?? '';
    const items: Item[] = [];
    for (const line of lines) {
      const item = this.#handleLine(this.#line + line);
      this.#line = '';
      if (item !== undefined) {
        items.push(item);
      }
    }
    this.#line += last;
    checkLength(this.#line);
    return items;
  }

  #handleLine(line: string): Item | undefined {
    checkLength(line);
    if (line === '') {
      return this.#dispatch();
    }
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    switch (field) {
      case '':
        return { type: 'comment' };
      case 'event':
        this.#name = value;
        break;
      case 'data':
        this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`;
        checkLength(this.#data);
        break;
      case 'id':
        this.#id = value.includes('\0') ? this.#id : value;
        break;
      case 'retry':
        return /^\d+$/.test(value) ? { type: 'retry', ms: Number(value) } : undefined;
    }
    return undefined;
  }

  #dispatch(): Item | undefined {
    const [name, data] = [this.#name, this.#data];
    this.#name = '';
    this.#data = undefined;
    return data === undefined
      ? undefined
      : { type: 'event', name: name === '' ? 'message' : name, data, id: this.#id };
  }
}

function checkLength(text: string): void {
  if (text.length > MAX_LEN) {
    throw new ProtocolError('server_failed', 'an event is too long');
  }
}
