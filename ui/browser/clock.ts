// The page's clock: timers that go on at full pace while the page is in the background, and pauses in long work.

/** Calls `act` in `milliseconds`, unless the returned function is called before. */
export type After = (milliseconds: number, act: () => void) => () => void;

/** Milliseconds since a fixed moment; never goes back. */
export function now(): number {
  return performance.now();
}

/**
 * A page in the background has its own timers throttled to one a second, or one a minute; a worker's are not. Where there
 * are no workers, it takes what there is.
 */
export const after: After = (milliseconds, act) => {
  ticker ??= Ticker.start();
  return ticker.after(Math.max(0, milliseconds), act);
};

let ticker: Ticker | undefined;

class Ticker {
  #next = 0;
  readonly #acts = new Map<number, () => void>();

  private constructor(private readonly worker: Worker | undefined) {
    worker?.addEventListener('message', ({ data }: MessageEvent<number>) => {
      this.#act(data);
    });
  }

  static start(): Ticker {
    if (typeof Worker === 'undefined') {
      return new Ticker(undefined);
    }
    const worker = new Worker(new URL('./ticker.ts', import.meta.url), { type: 'module' });
    const ticker = new Ticker(worker);
    worker.addEventListener('error', () => {
      // It could not be loaded: what waits for it must not wait for ever.
      ticker.#fallBack();
    });
    return ticker;
  }

  after(milliseconds: number, act: () => void): () => void {
    const id = this.#next;
    this.#next += 1;
    this.#acts.set(id, act);
    if (this.worker === undefined || this.#failed) {
      setTimeout(() => {
        this.#act(id);
      }, milliseconds);
    } else {
      this.worker.postMessage([id, milliseconds]);
    }
    return () => {
      // A timer that runs out for nobody costs less than a message to stop it.
      this.#acts.delete(id);
    };
  }

  #failed = false;

  #fallBack(): void {
    this.#failed = true;
    for (const id of this.#acts.keys()) {
      setTimeout(() => {
        this.#act(id);
      }, 1000);
    }
  }

  #act(id: number): void {
    const act = this.#acts.get(id);
    this.#acts.delete(id);
    act?.();
  }
}

/** How long work may hold the page's thread, in milliseconds. */
export const SLICE_MS = 8;

/** Lets the page draw and hear before long work goes on. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
