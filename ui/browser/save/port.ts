// What a page and its service worker say to each other while a download streams.

/** The folder that the service worker answers for; nothing on the server lies there. */
export const SCOPE = '/d/';
/** Where the service worker is. */
export const WORKER = '/sw.js';
/** How often a page says that it is there, in milliseconds: a browser stops a worker that hears nothing for 30 s. */
export const PING_MS = 10_000;

/** From a page to the worker itself; an `offer` brings a port. */
export type WorkerMessage =
  | {
      type: 'offer';
      /** The one name below {@link SCOPE} at which it is fetched, once. */
      id: string;
      name: string;
      /** In bytes, where it is known. */
      size: number | undefined;
    }
  | { type: 'ping' };

/** From a page through the port: content, or that this was all, or that there will be no more. */
export type PageMessage = Uint8Array<ArrayBuffer> | 'end' | 'abort';

/** From the worker through the port: it has the offer, the browser fetches it, wants more, has all, or let go. */
export type StreamMessage = 'offered' | 'started' | 'pull' | 'ended' | 'cancelled';
