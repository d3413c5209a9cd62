// What a receiving session has asked for and is still to come, in its order.
import { MAX_WANT_ITEMS, type ReceiverMessage, type Want, type WantItem } from '../bindings';
import { chunkCount } from '../frame';

/** One run of chunks that was asked for and has not come yet. */
export interface Expected {
  readonly page: number;
  readonly request: number;
  readonly entry: number;
  readonly size: number;
  start: number;
  readonly end: number;
  readonly lastOfEntry: boolean;
}

/** The runs that are to come, first the next one. */
export class Requests {
  readonly #expected: Expected[] = [];
  #nextRequest = 0;

  /** The run of which the next chunk is to come. */
  get next(): Expected | undefined {
    return this.#expected[0];
  }

  /** The next run has come. */
  pop(): void {
    this.#expected.shift();
  }

  /** Drops what is left of `entry` in `request`, if it is to come next; whether it was. */
  drop(request: number, entry: number): boolean {
    const isNext = (): boolean => this.next?.request === request && this.next.entry === entry;
    const found = isNext();
    while (isNext()) {
      this.pop();
    }
    return found;
  }

  /** Asks for what is wanted of one page, and says in which messages. */
  ask(wants: readonly Want[], sizeOf: (entry: number) => number, page: number): ReceiverMessage[] {
    const messages: ReceiverMessage[] = [];
    let items: WantItem[] = [];
    const send = (): void => {
      if (items.length > 0) {
        messages.push({ type: 'want', request: this.#nextRequest, items });
        this.#nextRequest += 1;
        items = [];
      }
    };
    for (const { entry, ranges } of wants) {
      const size = sizeOf(entry);
      const [first] = ranges;
      const isWhole = ranges.length === 1 && first?.start === 0 && first.end === chunkCount(size);
      for (const [at, { start, end }] of ranges.entries()) {
        if (items.length === MAX_WANT_ITEMS) {
          send();
        }
        if (!isWhole) {
          items.push({ type: 'part', entry, first: start, count: end - start });
        } else if (!extend(items.at(-1), entry, sizeOf)) {
          items.push({ type: 'whole', first: entry, count: 1 });
        }
        const lastOfEntry = at + 1 === ranges.length;
        const request = this.#nextRequest;
        this.#expected.push({ page, request, entry, size, start, end, lastOfEntry });
      }
    }
    send();
    return messages;
  }
}

// Makes `entry` a part of the run before it; one may pass over entries without content, which the sender skips as well.
function extend(
  item: WantItem | undefined,
  entry: number,
  sizeOf: (entry: number) => number,
): boolean {
  if (item?.type !== 'whole') {
    return false;
  }
  for (let between = item.first + item.count; between < entry; between += 1) {
    if (sizeOf(between) !== 0) {
      return false;
    }
  }
  item.count = entry - item.first + 1;
  return true;
}
