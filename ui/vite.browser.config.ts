// Builds the page behind a link into dist/browser, as the server embeds it: hashed names, compressed beside plain, and
// the service worker in one file of its own.
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { type Plugin, build, defineConfig } from 'vite';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const folder = here('./dist/browser');
const target = 'es2022';

/** The service worker, which browsers take as one script without imports, under a name that never changes. */
async function serviceWorker(): Promise<string | undefined> {
  const entry = here('./browser/sw.ts');
  if (!existsSync(entry)) {
    return undefined;
  }
  const built = await build({
    configFile: false,
    logLevel: 'warn',
    publicDir: false,
    build: {
      target,
      write: false,
      lib: { entry, formats: ['iife'], name: 'sw', fileName: () => 'sw.js' },
    },
  });
  const [output] = Array.isArray(built) ? built : [built];
  const [script] = output !== undefined && 'output' in output ? output.output : [];
  if (script?.type !== 'chunk') {
    throw new Error('the service worker was not built');
  }
  return script.code;
}

/** What is in the folder from an earlier build, below it, with slashes. */
function earlier(): string[] {
  if (!existsSync(folder)) {
    return [];
  }
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`.slice(folder.length + 1));
}

/** Whether the folder does not have exactly this file. */
function isNew([name, content]: [string, Buffer]): boolean {
  const path = `${folder}/${name}`;
  return !existsSync(path) || !readFileSync(path).equals(content);
}

/**
 * Adds the service worker and compressed twins. What is the same as before is not written again: cargo goes by the time
 * of a file, and would build the server and all above it anew.
 */
function packed(): Plugin {
  return {
    name: 'packed',
    apply: 'build',
    generateBundle: {
      order: 'post',
      async handler(_options, bundle) {
        const built = Object.values(bundle).map((file): [string, Buffer] => [
          file.fileName,
          Buffer.from(file.type === 'chunk' ? file.code : file.source),
        ]);
        const worker = await serviceWorker();
        const added: [string, Buffer][] =
          worker === undefined ? [] : [['sw.js', Buffer.from(worker)]];
        for (const [name, content] of [...built, ...added]) {
          added.push([`${name}.gz`, gzipSync(content, { level: 9 })]);
        }

        const files = new Map([...built, ...added]);
        for (const name of earlier().filter((name) => !files.has(name))) {
          rmSync(`${folder}/${name}`);
        }
        for (const [fileName, source] of added.filter(isNew)) {
          this.emitFile({ type: 'asset', fileName, source });
        }
        for (const [name] of built.filter((file) => !isNew(file))) {
          Reflect.deleteProperty(bundle, name);
        }
      },
    },
  };
}

export default defineConfig({
  root: here('./browser'),
  base: '/',
  publicDir: false,
  plugins: [svelte({ configFile: false }), packed()],
  worker: { format: 'es' },
  build: {
    outDir: folder,
    emptyOutDir: false,
    target,
    // The policy of the page forbids what is inline.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // Compressed sizes are those of the files that are written.
    reportCompressedSize: false,
  },
  server: { host: '127.0.0.1', port: 5174, strictPort: true },
});
