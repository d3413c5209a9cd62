// What jsdom lacks and the views need: dialogs, and boxes that have a size.
import { beforeAll } from 'vitest';

/** Pixels that every box is said to be high, because jsdom lays nothing out. */
const HEIGHT = 320;

class Observer {
  readonly #told: ResizeObserverCallback;

  constructor(told: ResizeObserverCallback) {
    this.#told = told;
  }

  observe(): void {
    this.#told([], this as unknown as ResizeObserver);
  }

  unobserve(): void {
    // Sizes never change here.
  }

  disconnect(): void {
    // Nor are they told twice.
  }
}

beforeAll(() => {
  // The protocol is tested without a page.
  if (typeof window === 'undefined') {
    return;
  }
  Object.defineProperty(HTMLElement.prototype, 'clientHeight', {
    configurable: true,
    value: HEIGHT,
  });
  window.ResizeObserver = Observer as unknown as typeof ResizeObserver;
  window.matchMedia = (media) =>
    Object.assign(new EventTarget(), { media, matches: true }) as MediaQueryList;
  HTMLDialogElement.prototype.showModal = function () {
    this.open = true;
    this.querySelector('button')?.focus();
  };
  HTMLDialogElement.prototype.close = function () {
    this.open = false;
  };
});
