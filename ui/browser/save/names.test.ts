// @vitest-environment node
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { folded, nextName, numbered, pickable, plainest, platformOf, portable } from './names';

const PLATFORMS = ['unix', 'macos', 'windows'] as const;
const bytes = (text: string): number => new TextEncoder().encode(text).length;

describe('names', () => {
  it('writes names on Windows as the engine does', () => {
    const cases = {
      'plain.txt': 'plain.txt',
      CON: '_CON',
      'con.tar.gz': '_con.tar.gz',
      COM1: '_COM1',
      'com¹.txt': '_com¹.txt',
      COM10: 'COM10',
      console: 'console',
      'nul .txt': '_nul .txt',
      'dots...': 'dots_',
      'space ': 'space_',
      'a:b': 'a_b',
      'a\\b': 'a_b',
      'tab\tname': 'tab_name',
      '...': '_',
    };
    for (const [name, written] of Object.entries(cases)) {
      expect(portable(name, 'windows')).toBe(written);
    }
    expect(portable('con: x?', 'unix')).toBe('con: x?');
    expect(portable('.sluice-x.journal', 'unix')).toBe('_.sluice-x.journal');
  });

  it('writes what Chromium refuses under a name that it takes', () => {
    const cases = {
      '.hidden': '.hidden',
      ' lead': '_lead',
      '~a': '_a',
      'a~': 'a_',
      '..a': '_.a',
      'x.LNK': 'x.LNK_',
      'x.{abc}': 'x.{abc}_',
      'Desktop.ini': '_Desktop.ini',
      'rtl\u202e.txt': 'rtl_.txt',
      'aux.c': '_aux.c',
      'nb\u3000': 'nb_',
    };
    for (const [name, written] of Object.entries(cases)) {
      expect(pickable(name, 'unix')).toBe(written);
    }
  });

  it('keeps the extension of long names, and keeps those that differ late apart', () => {
    const [a, b] = ['a', 'b'].map((last) => portable(`${'é'.repeat(200)}${last}.txt`, 'unix'));
    expect(a).not.toBe(b);
    expect(a).toMatch(/\.txt$/);
    expect(bytes(a ?? '')).toBeLessThanOrEqual(255);
    expect(numbered('a.txt', 2, 'unix')).toBe('a (2).txt');
    expect(numbered('.profile', 2, 'unix')).toBe('.profile (2)');
  });

  it('always gives a name that fits, and that it would not change again', () => {
    const any = fc.oneof(fc.string({ unit: 'binary', minLength: 1, maxLength: 300 }), fc.string());
    fc.assert(
      fc.property(any, fc.constantFrom(...PLATFORMS), (text, platform) => {
        const name = text.replaceAll('\0', '') || 'x';
        const length = platform === 'unix' ? bytes : (it: string): number => it.length;
        for (const write of [portable, pickable]) {
          const written = write(name, platform);
          expect(written).not.toBe('');
          expect(length(written)).toBeLessThanOrEqual(255);
          expect(write(written, platform)).toBe(written);
        }
        expect(length(pickable(name, platform))).toBeLessThanOrEqual(248);
        expect(plainest(name, platform)).toMatch(/^[\p{L}\p{N}._~]+$/u);
        expect(length(numbered(pickable(name, platform), 7, platform))).toBeLessThanOrEqual(248);
      }),
    );
  });

  it('numbers from two on, and folds case and composition', async () => {
    const taken = new Set(['a (2)', 'a (3)']);
    expect(await nextName('a', 'unix', (name) => !taken.has(name))).toBe('a (4)');
    expect(folded('\u00c9')).toBe(folded('e\u0301'));
    expect(platformOf('Mozilla/5.0 (Windows NT 10.0; Win64; x64)')).toBe('windows');
    expect(platformOf('Mozilla/5.0 (X11; Linux x86_64)')).toBe('unix');
    expect(platformOf('Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)')).toBe('macos');
  });
});
