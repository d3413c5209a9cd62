// What a sender sees of a receiver that is a browser: which one it is, and nothing else.

// The first that fits: most browsers call themselves by the names of others too.
const NAMES: readonly [RegExp, string][] = [
  [/\bEdgA?\//, 'Edge'],
  [/\bOPR\//, 'Opera'],
  [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\b(Firefox|FxiOS)\//, 'Firefox'],
  [/\b(Chrome|CriOS|Chromium)\//, 'Chrome'],
  [/\bSafari\//, 'Safari'],
];

/** Such as `browser · Firefox`. `userAgent` is what the browser sends to servers as well. */
export function browserName(userAgent: string): string {
  const name = NAMES.find(([sign]) => sign.test(userAgent))?.[1];
  return name === undefined ? 'browser' : `browser · ${name}`;
}
