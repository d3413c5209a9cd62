// Builds the desktop window's page into dist/app and, in the mode "preview", one that plays recordings into dist/preview; runs the unit tests of everything under ui/.
import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { svelteTesting } from '@testing-library/svelte/vite';
import { defineConfig } from 'vitest/config';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig(({ mode }) => ({
  root: here('./app'),
  base: './',
  plugins: [svelte({ configFile: false }), svelteTesting()],
  build: {
    outDir: here(mode === 'preview' ? './dist/preview' : './dist/app'),
    emptyOutDir: true,
    target: 'es2022',
    ...(mode === 'preview' && { rolldownOptions: { input: here('./app/preview.html') } }),
  },
  server: { host: '127.0.0.1', port: 5173, strictPort: true },
  test: {
    root: here('.'),
    environment: 'jsdom',
    include: ['**/*.test.ts'],
    setupFiles: [here('./setup.ts')],
  },
}));
