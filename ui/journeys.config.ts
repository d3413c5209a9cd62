// Runs the journeys of ../tests/browser: a real browser, the real server and the real command line.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig(({ mode }) => ({
  root: here('../tests/browser'),
  // The tests lie outside of this package, and take their libraries from it.
  resolve: {
    alias: {
      'playwright-core': here('./node_modules/playwright-core'),
      'puppeteer-core': here('./node_modules/puppeteer-core'),
    },
  },
  server: { fs: { allow: [here('..')] } },
  test: {
    include: [mode === 'speed' ? '**/*.bench.ts' : '**/*.test.ts'],
    // One after another: each has processes of its own, and nothing may hang.
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
}));
