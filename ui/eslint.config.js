// Lints for everything under ui/.
import js from '@eslint/js';
import { defineConfig } from 'eslint/config';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';

// What the pure room may not see: the page, the network, the clock, chance, the process.
const outside = Object.keys({ ...globals.browser, ...globals.node }).filter(
  (name) => !['TextDecoder', 'TextEncoder'].includes(name),
);
const pure = {
  'no-restricted-globals': ['error', ...outside, 'Date', 'globalThis'],
  'no-restricted-properties': ['error', { object: 'Math', property: 'random' }],
  'no-restricted-imports': [
    'error',
    // No room beside it, and no package but the primitives.
    { patterns: [{ regex: '^(?!\\.\\.?/(?!.*\\b(app|browser|shared)/)|@noble/|@scure/base$)' }] },
  ],
};

export default defineConfig(
  { ignores: ['dist/', 'node_modules/', 'app/bindings.ts', 'protocol/bindings.ts'] },
  js.configs.recommended,
  ts.configs.strict,
  svelte.configs.recommended,
  { languageOptions: { globals: { ...globals.browser, ...globals.node } } },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser } },
  },
  {
    rules: {
      eqeqeq: 'error',
      'no-console': 'error',
      // What views are drawn from is replaced whole; the maps beneath it are plain on purpose.
      'svelte/prefer-svelte-reactivity': 'off',
    },
  },
  {
    files: ['protocol/**/*.ts'],
    ignores: ['protocol/**/*.{test,bench}.ts', 'protocol/testing/**'],
    rules: pure,
  },
);
