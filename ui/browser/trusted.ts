// The one place where an address may become a script: what the page loads by itself, a worker or the service worker, is
// this server's. The page's policy names it, and refuses all other ways.

interface Factory {
  createPolicy: (name: string, rules: { createScriptURL: (url: string) => string }) => unknown;
}

/** Lets workers of this origin be started, where the browser asks for leave. */
export function trustOwnScripts(): void {
  const { trustedTypes } = globalThis as { trustedTypes?: Factory };
  trustedTypes?.createPolicy('default', { createScriptURL: own });
}

/** The address again, if it is of this origin. */
export function own(url: string): string {
  if (new URL(url, location.href).origin !== location.origin) {
    throw new TypeError('a script of another origin');
  }
  return url;
}
