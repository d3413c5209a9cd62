// CRC-32 as zip has it (ISO 3309), eight bytes a step.

const TABLES = tables();

function tables(): Uint32Array[] {
  const first = Uint32Array.from({ length: 256 }, (_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit += 1) {
      value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    }
    return value;
  });
  const all = [first];
  for (let at = 1; at < 8; at += 1) {
    const before = all[at - 1] ?? first;
    all.push(before.map((value) => (first[value & 0xff] ?? 0) ^ (value >>> 8)));
  }
  return all;
}

/** The checksum of what `crc` was of and `bytes` behind it; 0 is that of nothing. */
export function crc32(crc: number, bytes: Uint8Array): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES as [
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
  ];
  // Indices are masked to a byte, so that each is there; `| 0` also spares the check.
  const of = (table: Uint32Array, at: number): number => table[at & 0xff] as number;
  let value = ~crc;
  let at = 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const end = bytes.length - 7; at < end; at += 8) {
    const low = view.getInt32(at, true) ^ value;
    const high = view.getInt32(at + 4, true);
    value =
      of(t7, low) ^
      of(t6, low >>> 8) ^
      of(t5, low >>> 16) ^
      of(t4, low >>> 24) ^
      of(t3, high) ^
      of(t2, high >>> 8) ^
      of(t1, high >>> 16) ^
      of(t0, high >>> 24);
  }
  for (; at < bytes.length; at += 1) {
    value = of(t0, value ^ (bytes[at] ?? 0)) ^ (value >>> 8);
  }
  return ~value >>> 0;
}
