// Builds the desktop window's page into dist/app, and runs the unit tests of everything under ui/.
import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { svelteTesting } from '@testing-library/svelte/vite';
import { defineConfig } from 'vitest/config';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: here('./app'),
  base: './',
  plugins: [svelte({ configFile: false }), svelteTesting()],
  build: { outDir: here('./dist/app'), emptyOutDir: true, target: 'es2022' },
  server: { host: '127.0.0.1', port: 5173, strictPort: true },
  test: {
    root: here('.'),
    environment: 'jsdom',
    include: ['**/*.test.ts'],
    setupFiles: [here('./setup.ts')],
  },
});
