// IP addresses as text, and which of them are private.

/** The four bytes of an IPv4 address in its one decimal form, or nothing. */
export function parseIpv4(text: string): number[] | undefined {
  const parts = text.split('.');
  const isByte = (part: string): boolean => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256;
  return parts.length === 4 && parts.every(isByte) ? parts.map(Number) : undefined;
}

/** The eight groups of an IPv6 address (RFC 4291 §2.2), or nothing. */
export function parseIpv6(text: string): number[] | undefined {
  const [head = '', tail, more] = text.split('::');
  if (more !== undefined) {
    return undefined;
  }
  const before = parseGroups(head, tail === undefined);
  const behind = parseGroups(tail ?? '', true);
  if (before === undefined || behind === undefined) {
    return undefined;
  }
  const missing = 8 - before.length - behind.length;
  if (tail === undefined ? missing !== 0 : missing < 1) {
    return undefined;
  }
  return [...before, ...new Array<number>(missing).fill(0), ...behind];
}

// The last group of an address may be two, written as an IPv4 address.
function parseGroups(text: string, isEnd: boolean): number[] | undefined {
  const groups: number[] = [];
  const parts = text === '' ? [] : text.split(':');
  for (const [at, part] of parts.entries()) {
    const v4 = isEnd && at === parts.length - 1 ? parseIpv4(part) : undefined;
    if (v4 !== undefined) {
      const [a = 0, b = 0, c = 0, d = 0] = v4;
      groups.push(a * 256 + b, c * 256 + d);
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(Number.parseInt(part, 16));
    } else {
      return undefined;
    }
  }
  return groups;
}

/** RFC 1918, RFC 3927, RFC 6598 and loopback. */
export function isPrivateV4([a = 0, b = 0]: number[]): boolean {
  return (
    a === 10 ||
    a === 127 ||
    (a === 172 && b >= 16 && b < 32) ||
    (a === 192 && b === 168) ||
    (a === 169 && b === 254) ||
    (a === 100 && b >= 64 && b < 128)
  );
}

/** RFC 4193, RFC 4291 and loopback; a mapped IPv4 address counts as what it maps. */
export function isPrivateV6(groups: number[]): boolean {
  const [first = 0] = groups;
  const [sixth = 0, seventh = 0, last = 0] = groups.slice(5);
  const startsWithZeros = groups.slice(0, 5).every((group) => group === 0);
  if (startsWithZeros && sixth === 0xffff) {
    return isPrivateV4([seventh >>> 8, seventh & 0xff]);
  }
  const isLoopback = startsWithZeros && sixth === 0 && seventh === 0 && last === 1;
  return isLoopback || (first & 0xfe00) === 0xfc00 || (first & 0xffc0) === 0xfe80;
}
