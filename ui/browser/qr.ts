// A text as the squares of a QR code.
import encodeQr from 'qr';

/** The dark squares, as the `d` of a path in a box of `size` squares a side, without an edge. */
export function squaresOf(text: string): { size: number; path: string } {
  const rows = encodeQr(text, 'raw', { border: 0 });
  const runs = rows.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : '')));
  return { size: rows.length, path: runs.join('') };
}
