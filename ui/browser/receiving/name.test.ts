// Browsers are told apart by what they call themselves.
import { expect, test } from 'vitest';
import { browserName } from './name';

const webkit = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)';

test.each([
  [`${webkit} Chrome/140.0.0.0 Safari/537.36`, 'browser · Chrome'],
  [`${webkit} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0`, 'browser · Edge'],
  [`${webkit} Chrome/140.0.0.0 Safari/537.36 OPR/120.0.0.0`, 'browser · Opera'],
  ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'browser · Firefox'],
  [`${webkit} Version/18.0 Mobile/15E148 Safari/604.1`, 'browser · Safari'],
  ['curl/8.0', 'browser'],
])('%s', (userAgent, name) => {
  expect(browserName(userAgent)).toBe(name);
});
