// Keeps a page that shares awake and open: the screen's wake lock, a Web Lock against being frozen, and a word before it
// is closed; and tells when the network is back and when the page goes after all.

/** Who hears of what happens to the page. */
export interface AwakeListener {
  /** Whether it is kept awake is another than before. */
  changed(): void;
  online(): void;
  /** The page is being closed, and will not come back. */
  leaving(): void;
}

/** Holds a page awake for as long as it is asked to. */
export class Awake {
  readonly #listener: AwakeListener;
  #held: AbortController | undefined;
  #lock: WakeLockSentinel | undefined;

  constructor(listener: AwakeListener) {
    this.#listener = listener;
  }

  /** Whether the browser keeps the screen, and so the page, awake right now. */
  get isAwake(): boolean {
    return this.#lock?.released === false;
  }

  /** From now on the page is kept. */
  hold(): void {
    if (this.#held !== undefined) {
      return;
    }
    this.#held = new AbortController();
    const { signal } = this.#held;
    document.addEventListener(
      'visibilitychange',
      () => {
        // A browser takes the lock away from a page that is hidden.
        void this.#wake();
      },
      { signal },
    );
    addEventListener(
      'beforeunload',
      (event) => {
        event.preventDefault();
      },
      { signal },
    );
    addEventListener(
      'pagehide',
      ({ persisted }) => {
        if (!persisted) {
          this.#listener.leaving();
        }
      },
      { signal },
    );
    addEventListener(
      'online',
      () => {
        this.#listener.online();
      },
      { signal },
    );
    void this.#wake();
    void stayThawed(signal);
  }

  /** The page may sleep and be closed. */
  release(): void {
    this.#held?.abort();
    this.#held = undefined;
    // That it can't be given back is as good as given back.
    this.#lock?.release().catch(() => undefined);
    this.#lock = undefined;
  }

  async #wake(): Promise<void> {
    const held = this.#held;
    // The types say that it is always there; on plain HTTP, and in some browsers, it is not.
    const wakeLock = navigator.wakeLock as WakeLock | undefined;
    if (wakeLock === undefined || held === undefined || this.isAwake || document.hidden) {
      return;
    }
    try {
      const lock = await wakeLock.request('screen');
      if (this.#held !== held || this.isAwake) {
        await lock.release();
        return;
      }
      this.#lock = lock;
      lock.addEventListener('release', () => {
        this.#listener.changed();
      });
      this.#listener.changed();
    } catch {
      // A battery that is low is a reason; the person is told by what `isAwake` says.
    }
  }
}

// A page that holds a Web Lock is not frozen in the background, because others may wait for it.
async function stayThawed(signal: AbortSignal): Promise<void> {
  const locks = navigator.locks as LockManager | undefined;
  try {
    await locks?.request(`sluice-share-${performance.timeOrigin.toString()}`, () => {
      return new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => {
          resolve();
        });
      });
    });
  } catch {
    // Some private modes have none.
  }
}
