// A text as the squares of a QR code.
import encodeQr from 'qr';

/** The dark squares, as the `d` of a path in a box of `size` squares a side, without an edge. */
export function squaresOf(text: string): { size: number; path: string } {
  // It draws an edge of one at least.
  const rows = encodeQr(text, 'raw', { border: 1 })
    .slice(1, -1)
    .map((row) => row.slice(1, -1));
  const runs = rows.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : '')));
  return { size: rows.length, path: runs.join('') };
}
