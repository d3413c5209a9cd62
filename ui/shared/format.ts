// Numbers, durations and dates as people of each language write them. Sizes count in thousands.

/** The units of a size, each a thousand of the one before. */
export const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte', 'petabyte'] as const;

/** One of `UNITS`. */
export type Unit = (typeof UNITS)[number];

/** A size as a number of a unit. */
export interface Measure {
  /** The number, as it is written. */
  value: string;
  /** Its unit. */
  unit: Unit;
}

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const numbers = new Map<string, Intl.NumberFormat>();

/** Making a formatter costs more than using it, and views ask four times a second. */
function numberFormat(tag: string, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = tag + JSON.stringify(options);
  let format = numbers.get(key);
  if (format === undefined) {
    format = new Intl.NumberFormat(tag, options);
    numbers.set(key, format);
  }
  return format;
}

/** A whole number, with its thousands set apart. */
export function count(tag: string, value: number): string {
  return numberFormat(tag, { maximumFractionDigits: 0 }).format(value);
}

/** A part of one, as whole percents; never 100 before it is all. */
export function percent(tag: string, part: number): string {
  const whole = Math.floor(Math.min(1, Math.max(0, part)) * 100);
  return numberFormat(tag, { style: 'percent' }).format(whole / 100);
}

/** Bytes in the unit in which they are below a thousand, with one digit behind the point from megabytes on. */
export function measure(tag: string, bytes: number): Measure {
  let value = Math.max(0, bytes);
  let step = 0;
  // What would be written as 1,000 belongs to the next unit.
  while (value >= 999.5 && step < UNITS.length - 1) {
    value /= 1000;
    step += 1;
  }
  const digits = step >= 2 && value < 99.95 ? 1 : 0;
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return { value: numberFormat(tag, options).format(value), unit: UNITS[step] ?? 'byte' };
}

/** Seconds as a person would say them: no finer than it matters, in at most two units. */
export function duration(
  tag: string,
  seconds: number,
  display: 'short' | 'long' = 'short',
): string {
  const part = (value: number, unit: string): string =>
    numberFormat(tag, { style: 'unit', unit, unitDisplay: display }).format(value);
  const two = (large: number, largeUnit: string, rest: number, restUnit: string): string =>
    rest === 0 ? part(large, largeUnit) : `${part(large, largeUnit)} ${part(rest, restUnit)}`;

  const whole = Math.max(0, Math.round(seconds));
  if (whole < MINUTE) {
    return part(whole, 'second');
  }
  if (whole < 10 * MINUTE && display === 'short') {
    const rounded = Math.round(whole / 5) * 5;
    return two(Math.floor(rounded / MINUTE), 'minute', rounded % MINUTE, 'second');
  }
  const minutes = Math.round(whole / MINUTE);
  if (minutes < 60) {
    return part(minutes, 'minute');
  }
  if (minutes < 48 * 60) {
    return two(Math.floor(minutes / 60), 'hour', minutes % 60, 'minute');
  }
  return part(Math.round(whole / DAY), 'day');
}

/** When something is, as seen from now; both in seconds since 1970. */
export function relative(tag: string, time: number, now: number): string {
  const format = new Intl.RelativeTimeFormat(tag, { numeric: 'always' });
  const seconds = time - now;
  const size = Math.abs(seconds);
  if (size >= 1.5 * DAY) {
    return format.format(Math.round(seconds / DAY), 'day');
  }
  if (size >= 1.5 * HOUR) {
    return format.format(Math.round(seconds / HOUR), 'hour');
  }
  return format.format(Math.round(seconds / MINUTE), 'minute');
}

/** A time of today, or else a date; both in seconds since 1970. */
export function moment(tag: string, time: number, now: number): string {
  const date = new Date(time * 1000);
  const today = new Date(now * 1000).toDateString() === date.toDateString();
  const options: Intl.DateTimeFormatOptions = today
    ? { timeStyle: 'short' }
    : { dateStyle: 'medium' };
  return new Intl.DateTimeFormat(tag, options).format(date);
}

/** What is left of a countdown, as minutes and seconds. */
export function countdown(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / MINUTE)}:${String(whole % MINUTE).padStart(2, '0')}`;
}
