// The service worker: turns what a page receives into a download of the browser's own, while it comes.
//
// Built to exactly /sw.js, as one classic script without imports at run time (an entry of its own with a fixed name), and
// registered with the scope /d/, so that it never sees any other request. Nothing is cached. The page fetches through a
// hidden frame, so its policy must have frame-src 'self' beside worker-src 'self'.
import { type PageMessage, SCOPE, type StreamMessage, type WorkerMessage } from './save/port';
import { release } from './save/release';

// The library of workers that TypeScript has can't be loaded beside the page's.
interface ExtendableEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface FetchEvent extends ExtendableEvent {
  readonly request: Request;
  respondWith(response: Response): void;
}
interface Scope {
  skipWaiting(): Promise<void>;
  readonly clients: { claim(): Promise<void> };
  addEventListener(type: 'install' | 'activate', listener: (event: ExtendableEvent) => void): void;
  addEventListener(type: 'fetch', listener: (event: FetchEvent) => void): void;
  addEventListener(type: 'message', listener: (event: MessageEvent<WorkerMessage>) => void): void;
}

interface Offer {
  name: string;
  size: number | undefined;
  port: MessagePort;
}

// Pieces of a quarter of a MiB that may wait here for the browser's disk.
const WAITING = 4;
// A piece is read whole before the next one is asked for; some are kept beyond that all the same.
const KEPT = WAITING + 4;

const worker = self as unknown as Scope;
const offers = new Map<string, Offer>();

worker.addEventListener('install', (event) => {
  event.waitUntil(worker.skipWaiting());
});
worker.addEventListener('activate', (event) => {
  event.waitUntil(worker.clients.claim());
});
worker.addEventListener('message', ({ data, ports }) => {
  const [port] = ports;
  if (data.type === 'offer' && port !== undefined) {
    offers.set(data.id, { name: data.name, size: data.size, port });
    port.postMessage('offered' satisfies StreamMessage);
  }
});
worker.addEventListener('fetch', (event) => {
  const path = new URL(event.request.url).pathname;
  const id = path.startsWith(SCOPE) ? (path.slice(SCOPE.length).split('/')[0] ?? '') : '';
  const offer = offers.get(id);
  offers.delete(id);
  event.respondWith(offer === undefined ? new Response(null, { status: 404 }) : answer(offer));
});

function answer({ name, size, port }: Offer): Response {
  const headers = new Headers({
    'Content-Type': 'application/octet-stream',
    'Content-Disposition': disposition(name),
    'Content-Security-Policy': "default-src 'none'",
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-store',
  });
  if (size !== undefined) {
    headers.set('Content-Length', String(size));
  }
  return new Response(content(port), { headers });
}

function content(port: MessagePort): ReadableStream<Uint8Array> {
  const say = (message: StreamMessage): void => port.postMessage(message);
  let isOver = false;
  // What a pull waits for.
  let came: (() => void) | undefined;
  const given: Uint8Array<ArrayBuffer>[] = [];
  const over = (): void => {
    isOver = true;
    came?.();
  };
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const abort = (): void => {
          if (!isOver) {
            controller.error(new Error('the page is gone'));
            over();
          }
        };
        port.onmessage = ({ data }: MessageEvent<PageMessage>) => {
          if (isOver) {
            return;
          }
          if (data === 'end') {
            controller.close();
            over();
            say('ended');
          } else if (data === 'abort') {
            abort();
          } else {
            controller.enqueue(data);
            given.push(data);
            came?.();
          }
        };
        // A page that crashed; not every browser tells.
        port.addEventListener('close', abort);
        port.start();
        say('started');
      },
      pull() {
        if (given.length > KEPT) {
          given.splice(0, given.length - KEPT).forEach(release);
        }
        return new Promise((resolve) => {
          came = resolve;
          say('pull');
        });
      },
      cancel() {
        over();
        say('cancelled');
      },
    },
    new CountQueuingStrategy({ highWaterMark: WAITING }),
  );
}

// RFC 6266: a name that every browser reads, and the one that is meant as RFC 5987 has it.
function disposition(name: string): string {
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/g, '_');
  const coded = encodeURIComponent(name).replace(
    /['()*!]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${coded}`;
}
