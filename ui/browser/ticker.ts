// The worker behind clock.ts: says a timer's number again when its time has come.

addEventListener('message', ({ data: [id, milliseconds] }: MessageEvent<[number, number]>) => {
  setTimeout(() => {
    postMessage(id);
  }, milliseconds);
});
