// Hands a link to the app. No browser says whether one is installed, but the page loses sight or focus when it opens.

/** Milliseconds after which an app that was there would have shown itself. */
const PATIENCE_MS = 1500;

/** Asks the browser to open `link` with the app; resolves to whether anything came before the page. */
export function openInApp(link: string): Promise<boolean> {
  return new Promise((resolve) => {
    // In a frame, because a browser without an app for it would put an error in the place of the page.
    const frame = document.createElement('iframe');
    const watch = new AbortController();
    const { signal } = watch;
    const answer = (opened: boolean): void => {
      clearTimeout(timer);
      watch.abort();
      frame.remove();
      resolve(opened);
    };
    const timer = setTimeout(() => {
      answer(false);
    }, PATIENCE_MS);
    const left = (): void => {
      answer(true);
    };
    addEventListener('blur', left, { signal });
    addEventListener('pagehide', left, { signal });
    document.addEventListener(
      'visibilitychange',
      () => {
        if (document.hidden) {
          left();
        }
      },
      { signal },
    );
    frame.hidden = true;
    frame.src = link;
    document.body.append(frame);
  });
}
