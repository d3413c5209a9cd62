// The line of a plot as the `d` of an SVG path, in a box whose sides are given.

/** Where the newest of `span` values is at the right edge, and the greatest a pixel below the top. */
export function plotLine(
  values: readonly number[],
  span: number,
  width: number,
  height: number,
): string {
  const shown = values.slice(-span);
  if (shown.length < 2) {
    return '';
  }
  const top = Math.max(1, ...shown);
  const step = width / (span - 1);
  const points = shown.map((value, index) => {
    const x = width - (shown.length - 1 - index) * step;
    const y = height - 1 - (Math.max(0, value) / top) * (height - 2);
    return `${round(x)} ${round(y)}`;
  });
  return `M${points.join('L')}`;
}

/** The same line, closed along the bottom. */
export function plotArea(
  values: readonly number[],
  span: number,
  width: number,
  height: number,
): string {
  const line = plotLine(values, span, width, height);
  if (line === '') {
    return '';
  }
  const first = width - (Math.min(values.length, span) - 1) * (width / (span - 1));
  return `${line}L${round(width)} ${round(height)}L${round(first)} ${round(height)}Z`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
