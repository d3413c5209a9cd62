// What stands around the views: the address, the QR code, scripts that are trusted.
import decodeQr from 'qr/decode.js';
import { expect, test } from 'vitest';
import { LINK } from './fixtures/views';
import { squaresOf } from './qr';
import { readRoute } from './route';
import { own } from './trusted';

test('an address is a link, a broken one, or sending', () => {
  const route = readRoute(LINK);
  expect(route.at === 'receive' && route.link.toWeb()).toBe(LINK);
  for (const address of [
    'https://a.example/',
    'https://a.example/send?x=/s/',
    'http://10.0.0.1/',
  ]) {
    expect(readRoute(address)).toEqual({ at: 'send' });
  }
  expect(readRoute(LINK.slice(0, -1))).toEqual({ at: 'broken', code: 'link_invalid' });
  expect(readRoute(LINK.replace(/#.*/, ''))).toEqual({ at: 'broken', code: 'link_invalid' });
  expect(readRoute(LINK.replace('https', 'http'))).toEqual({ at: 'broken', code: 'link_insecure' });
});

test('the squares are read as what was put in', () => {
  const { size, path } = squaresOf(LINK);
  const [edge, scale] = [4, 4];
  const side = (size + 2 * edge) * scale;
  const data = new Uint8Array(side * side * 4).fill(255);
  for (const [, x, y] of path.matchAll(/M(\d+) (\d+)h1v1h-1z/g)) {
    for (let row = 0; row < scale; row += 1) {
      const start = ((Number(y) + edge) * scale + row) * side + (Number(x) + edge) * scale;
      for (let dot = start; dot < start + scale; dot += 1) {
        data.fill(0, dot * 4, dot * 4 + 3);
      }
    }
  }
  expect(decodeQr({ width: side, height: side, data })).toBe(LINK);
});

test('only scripts of this origin are trusted', () => {
  expect(own('/sw.js')).toBe('/sw.js');
  expect(own(`${location.origin}/assets/x.js`)).toBe(`${location.origin}/assets/x.js`);
  for (const foreign of ['https://elsewhere.example/x.js', '//elsewhere.example/x.js', 'data:,x']) {
    expect(() => own(foreign)).toThrow(TypeError);
  }
});
