// The worker that seals, opens and stretches in plain JavaScript, so that the page's own thread stays free.
//
// A module worker of the page's own origin: the build must keep it a file (`worker.format: 'es'`), as its policy asks.
import type { Bytes } from '../protocol/bytes';
import { psk } from '../protocol/crypto';
import { LinkSecret, type ShareId } from '../protocol/id';
import { pureProvider } from '../protocol/provider';

/** What the page asks for. */
export type Order =
  | { type: 'seal' | 'open'; key: Bytes; nonce: Bytes; associated: Bytes; content: Bytes }
  | { type: 'psk'; secret: Uint8Array; share: ShareId; password: string | undefined };

/** An order and its number, which the answer has too. */
export interface Numbered {
  id: number;
  order: Order;
}

/** What became of an order: nothing for what does not authenticate. */
export interface Answer {
  id: number;
  bytes: Bytes | undefined;
}

/** Does what is asked, on this thread. */
export async function carryOut(order: Order): Promise<Bytes | undefined> {
  if (order.type === 'psk') {
    const { secret, share, password } = order;
    return new Uint8Array(psk(new LinkSecret(secret), share, password).expose());
  }
  const cipher = pureProvider.cipher(order.key);
  return cipher[order.type](order.nonce, order.associated, order.content);
}

// Whoever imports this for `carryOut` is no worker.
if ('WorkerGlobalScope' in globalThis) {
  addEventListener('message', ({ data }: MessageEvent<Numbered>) => {
    void carryOut(data.order).then((bytes) => {
      const answer: Answer = { id: data.id, bytes };
      postMessage(answer, { transfer: bytes === undefined ? [] : [bytes.buffer] });
    });
  });
}
